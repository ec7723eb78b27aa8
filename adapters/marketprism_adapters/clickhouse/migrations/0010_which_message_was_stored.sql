ALTER TABLE market.store_progress
  ADD COLUMN ts_message Int64 DEFAULT 0 AFTER watermark;
