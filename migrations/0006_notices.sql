-- What operators were told, so that of many processes one tells it, and remembers it over restarts. A notice is one
-- process's to deliver until its lease ends; what a process leaves behind, another delivers under the same id.
CREATE TABLE notices (
    subject     text COLLATE "C" PRIMARY KEY,
    state       text NOT NULL,
    amount      bigint NOT NULL,
    told_at     timestamptz NOT NULL DEFAULT now(),
    notice      uuid NOT NULL,
    lease_until timestamptz
);
