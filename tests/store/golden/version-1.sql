PRAGMA application_id = 30339342;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE bookmarks (
  reader   TEXT PRIMARY KEY,
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE changes (
  position   INTEGER PRIMARY KEY,
  run        INTEGER REFERENCES runs,       -- either this
  workflow   INTEGER REFERENCES workflows,  -- or this
  revision   INTEGER NOT NULL,
  at         REAL NOT NULL,
  writer     INTEGER,                       -- the number of an owner
  entry      TEXT,
  transition TEXT,
  document   TEXT
) STRICT;
INSERT INTO "changes" VALUES(1,NULL,1,1,1000000.0,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(2,NULL,2,2,1000000.0,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(3,1,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"ready","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(4,2,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"claimed","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(5,3,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"waiting","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(6,4,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"signalled","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(7,5,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"timed","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(8,6,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"retrying","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(9,7,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"paused","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(10,8,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"ended","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(11,9,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"cancelled","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(12,10,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"again","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(13,11,NULL,1,1000000.0,2,'["RunCreated",null,null,null,{},"PENDING"]',NULL,'{"id":"child","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":null,"labels":{},"inputs":{},"outputs":null,"error":null,"parent":{"run":"waiting","task":"a","generation":1},"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}');
INSERT INTO "changes" VALUES(14,2,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/1","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(15,3,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/2","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(16,3,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/2","wants":{"schema":{"type":"object"},"senders":["olga","ivan"],"closes":{"approve":1}},"outputs":{"k":[1.5,null]}}',NULL);
INSERT INTO "changes" VALUES(17,4,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/3","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(18,4,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/3","wants":{"schema":null,"senders":null,"closes":null}}',NULL);
INSERT INTO "changes" VALUES(19,4,NULL,4,1000001.0,2,'["SignalReceived","a",0,"olga",{},"RUNNING"]','{"type":"SignalReceived","task":"a","signal":{"id":"s1","generation":1,"sender":"olga","data":{"decision":"approve"},"kind":"person","at":0.0}}',NULL);
INSERT INTO "changes" VALUES(20,5,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/4","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(21,5,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/4","after":3600.0}',NULL);
INSERT INTO "changes" VALUES(22,6,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/5","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(23,6,NULL,3,1000001.0,2,'["TaskRetried","a",1,null,{"a":"PENDING"},"WAITING"]','{"type":"TaskFailed","task":"a","token":"engine-1/5","error":{"code":"BROKEN","message":"it broke"},"retryable":true}',NULL);
INSERT INTO "changes" VALUES(24,7,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/6","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(25,7,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/6","outputs":{"n":1}}',NULL);
INSERT INTO "changes" VALUES(26,7,NULL,4,1000001.0,2,'["RunPaused",null,null,"ivan",{},"PAUSED"]','{"type":"RunPaused","reason":"lunch"}',NULL);
INSERT INTO "changes" VALUES(27,8,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/7","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(28,8,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/7"}',NULL);
INSERT INTO "changes" VALUES(29,8,NULL,4,1000001.0,2,'["TaskClaimed","b",1,null,{"b":"RUNNING"},null]','{"type":"TaskClaimed","task":"b","token":"engine-1/8","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(30,8,NULL,5,1000001.0,2,'["TaskSucceeded","b",1,null,{"b":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"b","token":"engine-1/8"}',NULL);
INSERT INTO "changes" VALUES(31,8,NULL,6,1000001.0,2,'["TaskClaimed","c",1,null,{"c":"RUNNING"},null]','{"type":"TaskClaimed","task":"c","token":"engine-1/9","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(32,8,NULL,7,1000001.0,2,'["TaskSucceeded","c",1,null,{"c":"SUCCESS"},"SUCCESS"]','{"type":"TaskSucceeded","task":"c","token":"engine-1/9"}',NULL);
INSERT INTO "changes" VALUES(33,11,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/10","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(34,11,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/10"}',NULL);
INSERT INTO "changes" VALUES(35,11,NULL,4,1000001.0,2,'["TaskClaimed","b",1,null,{"b":"RUNNING"},null]','{"type":"TaskClaimed","task":"b","token":"engine-1/11","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(36,11,NULL,5,1000001.0,2,'["TaskSucceeded","b",1,null,{"b":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"b","token":"engine-1/11"}',NULL);
INSERT INTO "changes" VALUES(37,11,NULL,6,1000001.0,2,'["TaskClaimed","c",1,null,{"c":"RUNNING"},null]','{"type":"TaskClaimed","task":"c","token":"engine-1/12","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(38,11,NULL,7,1000001.0,2,'["TaskSucceeded","c",1,null,{"c":"SUCCESS"},"SUCCESS"]','{"type":"TaskSucceeded","task":"c","token":"engine-1/12"}',NULL);
INSERT INTO "changes" VALUES(39,9,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/13","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(40,9,NULL,3,1000001.0,2,'["TaskFailed","a",1,null,{"a":"FAILED","b":"OMITTED"},null]','{"type":"TaskFailed","task":"a","token":"engine-1/13","error":{"code":"BROKEN","message":"it broke"},"retryable":false}',NULL);
INSERT INTO "changes" VALUES(41,9,NULL,4,1000001.0,2,'["RunCancelled",null,null,"ivan",{"c":"CANCELLED"},"CANCELLED"]','{"type":"RunCancelled","reason":"enough"}',NULL);
INSERT INTO "changes" VALUES(42,10,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/14","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL);
INSERT INTO "changes" VALUES(43,10,NULL,3,1000001.0,2,'["TaskFailed","a",1,null,{"a":"FAILED","b":"OMITTED"},null]','{"type":"TaskFailed","task":"a","token":"engine-1/14","error":{"code":"BROKEN","message":"it broke"},"retryable":false}',NULL);
INSERT INTO "changes" VALUES(44,10,NULL,4,1000001.0,2,'["RunCancelled",null,null,"ivan",{"c":"CANCELLED"},"CANCELLED"]','{"type":"RunCancelled","reason":"enough"}',NULL);
INSERT INTO "changes" VALUES(45,10,NULL,5,1000001.0,2,'["RunRetried",null,null,"ivan",{"a":"PENDING","b":"PENDING","c":"PENDING"},"RUNNING"]','{"type":"RunRetried","generation":1,"reason":""}',NULL);
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('incarnation','83bae830d9c140c0b0b8c5db29b43c1b');
CREATE TABLE owners (
  number      INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  alive_until REAL NOT NULL,
  dead        INTEGER NOT NULL,
  position    INTEGER NOT NULL
) STRICT;
INSERT INTO "owners" VALUES(1,'engine-0',1000000.0,1,0);
INSERT INTO "owners" VALUES(2,'engine-1',1000031.0,0,45);
CREATE TABLE requests (
  run    INTEGER PRIMARY KEY REFERENCES runs,
  digest BLOB NOT NULL,
  labels TEXT NOT NULL,
  parent TEXT,
  inputs TEXT NOT NULL
) STRICT;
INSERT INTO "requests" VALUES(1,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(2,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(3,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(4,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(5,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(6,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(7,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(8,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(9,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(10,X'3742830047DC3950C3E2D40BB427065B','{"team":"data"}',NULL,'{"n":1,"text":"ü✓"}');
INSERT INTO "requests" VALUES(11,X'A8CBDD1355D95F18462240C1DE5A2618','{}','["waiting","a",1]','{}');
CREATE TABLE runs (
  number       INTEGER PRIMARY KEY,
  id           TEXT NOT NULL UNIQUE,
  tenant       TEXT NOT NULL,
  workflow     TEXT NOT NULL,
  version      INTEGER NOT NULL,
  requested_by TEXT,
  created_at   REAL NOT NULL,
  status       TEXT NOT NULL,
  revision     INTEGER NOT NULL,
  generation   INTEGER NOT NULL,
  paused       INTEGER NOT NULL,
  cancelled    INTEGER NOT NULL,
  told         INTEGER NOT NULL,
  claimed      INTEGER NOT NULL,  -- how many of its tasks are RUNNING
  size         INTEGER NOT NULL,
  updated_at   REAL NOT NULL,
  started_at   REAL,
  finished_at  REAL,
  deadline     REAL,
  wake_at      REAL,
  heal         INTEGER NOT NULL,
  error        TEXT,
  outputs      TEXT,
  FOREIGN KEY (tenant, workflow, version) REFERENCES workflows (tenant, name, version)
) STRICT;
INSERT INTO "runs" VALUES(1,'ready','default','w',2,'olga',1000000.0,'PENDING',1,1,0,0,0,0,971,1000000.0,NULL,NULL,1086400.0,1000031.5,0,NULL,NULL);
INSERT INTO "runs" VALUES(2,'claimed','default','w',2,'olga',1000000.0,'RUNNING',2,1,0,0,0,1,1179,1000001.0,1000001.0,NULL,1086400.0,1000032.5,0,NULL,NULL);
INSERT INTO "runs" VALUES(3,'waiting','default','w',2,'olga',1000000.0,'WAITING',3,1,0,0,0,0,1403,1000001.0,1000001.0,NULL,1086400.0,1086400.0,0,NULL,NULL);
INSERT INTO "runs" VALUES(4,'signalled','default','w',2,'olga',1000000.0,'RUNNING',4,1,0,0,0,0,1689,1000001.0,1000001.0,NULL,1086400.0,1000032.5,0,NULL,NULL);
INSERT INTO "runs" VALUES(5,'timed','default','w',2,'olga',1000000.0,'WAITING',3,1,0,0,0,0,1387,1000001.0,1000001.0,NULL,1086400.0,1003601.0,0,NULL,NULL);
INSERT INTO "runs" VALUES(6,'retrying','default','w',2,'olga',1000000.0,'WAITING',3,1,0,0,0,0,1395,1000001.0,1000001.0,NULL,1086400.0,1000064.0,0,NULL,NULL);
INSERT INTO "runs" VALUES(7,'paused','default','w',2,'olga',1000000.0,'PAUSED',4,1,1,0,0,0,1554,1000001.0,1000001.0,NULL,1086400.0,NULL,0,NULL,NULL);
INSERT INTO "runs" VALUES(8,'ended','default','w',2,'olga',1000000.0,'SUCCESS',7,1,0,0,0,0,2219,1000001.0,1000001.0,1000001.0,1086400.0,NULL,0,NULL,NULL);
INSERT INTO "runs" VALUES(9,'cancelled','default','w',2,'olga',1000000.0,'CANCELLED',4,1,0,1,0,0,1651,1000001.0,1000001.0,1000001.0,1086400.0,NULL,0,NULL,NULL);
INSERT INTO "runs" VALUES(10,'again','default','w',2,'olga',1000000.0,'RUNNING',5,2,0,0,0,0,1947,1000001.0,1000001.0,NULL,1086401.0,1000032.5,0,NULL,NULL);
INSERT INTO "runs" VALUES(11,'child','default','w',2,NULL,1000000.0,'SUCCESS',7,1,0,0,0,0,2199,1000001.0,1000001.0,1000001.0,1086400.0,1000032.5,0,NULL,NULL);
CREATE TABLE tasks (
  run   INTEGER NOT NULL REFERENCES runs,
  name  TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "tasks" VALUES(2,'a','{"status":"RUNNING","updated_at":1000001.0,"attempt":1,"started_at":1000001.0,"claim":{"token":"engine-1/1","owner":"engine-1","phase":"main","at":1000001.0,"signal":null}}');
INSERT INTO "tasks" VALUES(3,'a','{"status":"WAITING","updated_at":1000001.0,"step":1,"outputs":{"k":[1.5,null]},"started_at":1000001.0,"wants":{"schema":{"type":"object"},"senders":["olga","ivan"],"closes":{"approve":1}},"tokens":["engine-1/2"]}');
INSERT INTO "tasks" VALUES(4,'a','{"status":"WAITING","updated_at":1000001.0,"step":1,"started_at":1000001.0,"wants":{},"inbox":[{"id":"s1","generation":1,"sender":"olga","data":{"decision":"approve"},"kind":"person","at":1000001.0}],"accepted":[["s1","olga","approve"]],"tokens":["engine-1/3"]}');
INSERT INTO "tasks" VALUES(5,'a','{"status":"WAITING","updated_at":1000001.0,"step":1,"started_at":1000001.0,"until":1003601.0,"tokens":["engine-1/4"]}');
INSERT INTO "tasks" VALUES(6,'a','{"updated_at":1000001.0,"attempt":1,"error":{"code":"BROKEN","message":"it broke"},"started_at":1000001.0,"not_before":1000064.0,"tokens":["engine-1/5"]}');
INSERT INTO "tasks" VALUES(7,'a','{"status":"SUCCESS","updated_at":1000001.0,"step":1,"attempt":1,"outputs":{"n":1},"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/6"]}');
INSERT INTO "tasks" VALUES(8,'a','{"status":"SUCCESS","updated_at":1000001.0,"step":1,"attempt":1,"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/7"]}');
INSERT INTO "tasks" VALUES(8,'b','{"status":"SUCCESS","updated_at":1000001.0,"step":1,"attempt":1,"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/8"]}');
INSERT INTO "tasks" VALUES(8,'c','{"status":"SUCCESS","updated_at":1000001.0,"step":1,"attempt":1,"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/9"]}');
INSERT INTO "tasks" VALUES(9,'a','{"status":"FAILED","updated_at":1000001.0,"step":1,"attempt":1,"error":{"code":"BROKEN","message":"it broke"},"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/13"]}');
INSERT INTO "tasks" VALUES(9,'b','{"status":"OMITTED","updated_at":1000001.0,"finished_at":1000001.0}');
INSERT INTO "tasks" VALUES(9,'c','{"status":"CANCELLED","updated_at":1000001.0,"finished_at":1000001.0}');
INSERT INTO "tasks" VALUES(10,'a','{"updated_at":1000001.0,"generation":2}');
INSERT INTO "tasks" VALUES(10,'b','{"updated_at":1000001.0,"generation":2}');
INSERT INTO "tasks" VALUES(10,'c','{"updated_at":1000001.0,"generation":2}');
INSERT INTO "tasks" VALUES(11,'a','{"status":"SUCCESS","updated_at":1000001.0,"step":1,"attempt":1,"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/10"]}');
INSERT INTO "tasks" VALUES(11,'b','{"status":"SUCCESS","updated_at":1000001.0,"step":1,"attempt":1,"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/11"]}');
INSERT INTO "tasks" VALUES(11,'c','{"status":"SUCCESS","updated_at":1000001.0,"step":1,"attempt":1,"started_at":1000001.0,"finished_at":1000001.0,"tokens":["engine-1/12"]}');
CREATE TABLE workflows (
  number   INTEGER PRIMARY KEY,
  tenant   TEXT NOT NULL,
  name     TEXT NOT NULL,
  version  INTEGER NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (tenant, name, version)
) STRICT;
INSERT INTO "workflows" VALUES(1,'default','w',1,'{"name":"w","description":"","tenant":"default","labels":{},"inputs":{},"outputs":{},"dag":{"entrypoint":["x"],"exitpoints":["x"],"tasks":[{"name":"x","type":"NOOP","arguments":{},"description":"","allow_failure":false}]},"version":1,"created_by":"olga","created_at":1000000.0}');
INSERT INTO "workflows" VALUES(2,'default','w',2,'{"name":"w","description":"","tenant":"default","labels":{},"inputs":{},"timeout":"P1D","outputs":{},"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false}]},"version":2,"created_by":"olga","created_at":1000000.0}');
CREATE INDEX runs_due ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_by_time ON runs (tenant, created_at);
CREATE INDEX runs_by_workflow ON runs (tenant, workflow, created_at);
CREATE INDEX runs_by_status ON runs (tenant, status, created_at);
CREATE INDEX runs_by_person ON runs (tenant, requested_by, created_at) WHERE requested_by IS NOT NULL;
CREATE UNIQUE INDEX changes_of_runs ON changes (run, revision) WHERE run IS NOT NULL;
COMMIT;
