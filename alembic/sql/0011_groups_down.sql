DROP TABLE task_question;
ALTER TABLE task DROP CONSTRAINT task_grouped, DROP group_id, DROP place_in_group, DROP cell;
DROP TABLE task_group;
