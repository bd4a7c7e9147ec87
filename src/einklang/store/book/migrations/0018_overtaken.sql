-- A change that a webhook did not take in time is looked for when a newer one of the same person was taken.
CREATE INDEX delivery_person ON delivery (destination, person);
