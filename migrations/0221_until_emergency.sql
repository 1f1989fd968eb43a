-- What is kept to a team until somebody opens the record in an emergency (guard 3): whether there is any.
CREATE INDEX res_until_emergency ON res (org) WHERE guard = 3;
