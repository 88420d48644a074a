"""Fetch the broker's jars; with the argument `lock`, first choose them anew (see `jars`)."""

import sys

from shared.runtime.embedded import jars

if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["lock"]:
            jars.relock()
        print(f"{len(jars.classpath())} jars of Apache Kafka in {jars.home()}", file=sys.stderr)
    except jars.JarsMissing as missing:
        sys.exit(str(missing))
