-- What a topic asks of the version before a change, and of deletions: `previous` is a query, `both_hold`
-- whether it and `query` must both hold, `on_create` and `on_delete` what counts where there is no version
-- to ask (nothing: it is left out), `path` is FHIRPath.
ALTER TABLE sub_topic ADD COLUMN deletes {int} NOT NULL DEFAULT 0;
ALTER TABLE sub_topic ADD COLUMN previous {text} NOT NULL DEFAULT '';
ALTER TABLE sub_topic ADD COLUMN both_hold {int} NOT NULL DEFAULT 0;
ALTER TABLE sub_topic ADD COLUMN on_create {int};
ALTER TABLE sub_topic ADD COLUMN on_delete {int};
ALTER TABLE sub_topic ADD COLUMN path {text} NOT NULL DEFAULT '';
