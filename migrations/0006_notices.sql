-- What operators were told, so that of many processes one tells it, once, and remembers it over restarts.
CREATE TABLE notices (
    subject text COLLATE "C" PRIMARY KEY,
    state   text NOT NULL,
    amount  bigint NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now()
);
