-- GitHub's id of the repository that a site was made of: the name can come to mean another one.
ALTER TABLE sites ADD COLUMN repository_id INTEGER;
