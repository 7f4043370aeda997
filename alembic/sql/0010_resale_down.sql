-- Where something has been sold this fails: the older table has one line for each submission.
DROP INDEX earning_person, earning_submission, earning_sale;
ALTER TABLE earning DROP CONSTRAINT earning_pkey, DROP kind, DROP id, DROP CONSTRAINT earning_royalty, DROP royalty_id,
  DROP sale_id;
ALTER TABLE earning ADD CONSTRAINT earning_pkey PRIMARY KEY (submission_id);
CREATE INDEX earning_person ON earning (person_id, submission_id);
DROP FUNCTION fresh_price;
DROP TABLE holding, sale_share, sale, listing_cell, listing_item, listing;
DROP FUNCTION listing_stays;
DROP TYPE listing_status;
DROP TABLE license;
