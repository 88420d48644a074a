-- Lets one hand at a time append a policy version; readers go on.
LOCK TABLE book.policy IN SHARE ROW EXCLUSIVE MODE;
