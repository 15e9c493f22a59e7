PRAGMA application_id = 30339342;
PRAGMA user_version = 2;
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
, seal TEXT) STRICT;
INSERT INTO "changes" VALUES(1,NULL,1,1,1000000.0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(2,NULL,2,2,1000000.0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(3,1,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"ready","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','b4816e16a673cab10b8cffd1daf82d4b9743ec0f827ffb80983eba72e6f35a04');
INSERT INTO "changes" VALUES(4,2,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"claimed","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','793e5e40af076a8955e4857cdb24b2bd8d41cd54db097ef69261dca11c1b54e0');
INSERT INTO "changes" VALUES(5,3,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"waiting","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','a8058fb99eeadf56924effaa3e7b96994abd2cf461bd839494430b4968b319ac');
INSERT INTO "changes" VALUES(6,4,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"signalled","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','2bfa0113b378573b9731247892286c3ad017edeb75b99e41cc4bdfde462c0587');
INSERT INTO "changes" VALUES(7,5,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"timed","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','834af2fad4500b50a1ec73f287e1fe2b6d60a1bb3bcfa573901738909936718a');
INSERT INTO "changes" VALUES(8,6,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"retrying","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','808d287f03246f17d56febb4b1098fe5370100fb166f35b26a4a587f38c2a3b7');
INSERT INTO "changes" VALUES(9,7,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"paused","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','d0378812b138dea923d004ae2f52f19289b53d12551e68ebe048677163782ac4');
INSERT INTO "changes" VALUES(10,8,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"ended","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','5080159edd095b520a248b0633d15ce6cb23697b03cd0e296df01849c972cbf4');
INSERT INTO "changes" VALUES(11,9,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"cancelled","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','3299badd4c9ac84dbf3f47d48cbb733f475fa4768ff73ad12e8fa4650e66f414');
INSERT INTO "changes" VALUES(12,10,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"again","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','116d962995ddb27db449ed6db11af0d6c89f59faca8d115e718c0a9e79e6a48a');
INSERT INTO "changes" VALUES(13,11,NULL,1,1000000.0,2,'["RunCreated",null,null,null,{},"PENDING"]',NULL,'{"id":"child","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":null,"labels":{},"inputs":{},"outputs":null,"error":null,"parent":{"run":"waiting","task":"a","generation":1},"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','4850d8ca0f35d8ed0492f82be98ecdd659f2b3cd3b9a8aa27484c236fdb33b8a');
INSERT INTO "changes" VALUES(14,2,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/1","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'16206fcd563f811b538687bd629ecc66f93f0797227012f3f8ecc0d93dc3dc35');
INSERT INTO "changes" VALUES(15,3,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/2","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'48dcdaf3c96bcf0e7ed82376f7535e506b9aad0b6e692637decc7bc891500f23');
INSERT INTO "changes" VALUES(16,3,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/2","wants":{"schema":{"type":"object"},"senders":["olga","ivan"],"closes":{"approve":1}},"outputs":{"k":[1.5,null]}}',NULL,'37d8da41fbe9c703ba2ba16e1194cc44c5e786467befa7fbd5f4933c38a5c387');
INSERT INTO "changes" VALUES(17,3,NULL,4,1000001.0,2,'["TaskDelegated","a",0,"ivan",{},null,{"from":"ivan","to":"eva","reason":"away"}]','{"type":"TaskDelegated","task":"a","generation":1,"sender":"ivan","to":"eva","reason":"away"}',NULL,'19ca275adc0cb2518c614a8e7305fcc9c3b043613f6023ad20ff4bbe36da9359');
INSERT INTO "changes" VALUES(18,4,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/3","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'397e446dba988d8d5c85400f54ef162d7c29a3bd54eefd48b1b64d2b1c82b45d');
INSERT INTO "changes" VALUES(19,4,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/3","wants":{}}',NULL,'4f0f8497febe807244296e78f0b0b108beb7942bb3f9f0f1b710b70b91f074ee');
INSERT INTO "changes" VALUES(20,4,NULL,4,1000001.0,2,'["SignalReceived","a",0,"olga",{},"RUNNING",{"decision":"approve"}]','{"type":"SignalReceived","task":"a","signal":{"id":"s1","generation":1,"sender":"olga","data":{"decision":"approve"},"kind":"person","at":0.0}}',NULL,'ab8a113e7f0b4b234707ae1b20bd5914aedf76a6a453cf0a6e2a041a78163c92');
INSERT INTO "changes" VALUES(21,5,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/4","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'97004194798e021cd4ae404dfcf27a9caca5a762e44ea415f52efb24b8ea1f9c');
INSERT INTO "changes" VALUES(22,5,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/4","after":3600.0}',NULL,'5d36767f0ea1225caab99a8fc439c6a85db0b0882ca86b013cfb76ced697f5be');
INSERT INTO "changes" VALUES(23,6,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/5","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'64f9d59ad6faabf807c2d5c152ad2e7e8551b38f95f16c9568e0c2120661d664');
INSERT INTO "changes" VALUES(24,6,NULL,3,1000001.0,2,'["TaskRetried","a",1,null,{"a":"PENDING"},"WAITING"]','{"type":"TaskFailed","task":"a","token":"engine-1/5","error":{"code":"BROKEN","message":"it broke"},"retryable":true}',NULL,'1a66363a0c1e434b6d50cad3187d335d6199ae379b5c9659d7289de04b86a554');
INSERT INTO "changes" VALUES(25,7,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/6","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'cc56a6f5be36a49e019e82cb828a1691bf59b4c400ab0efcf857e4adabcc00ce');
INSERT INTO "changes" VALUES(26,7,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/6","outputs":{"n":1}}',NULL,'6c445850f1c3e15368a535fe3efc7738fcd4c6bec3da9ad55cb857f5d4c63b39');
INSERT INTO "changes" VALUES(27,7,NULL,4,1000001.0,2,'["RunPaused",null,null,"ivan",{},"PAUSED",{"reason":"lunch"}]','{"type":"RunPaused","reason":"lunch"}',NULL,'bfbf6444eb10cf0f954a4cf9fe63a698d50aa1851a56b1414cf6d9c896aa171c');
INSERT INTO "changes" VALUES(28,8,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/7","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'dce733613266026f4f00860c09e1670c00e41c7daf651da690050fcdd3e323e7');
INSERT INTO "changes" VALUES(29,8,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/7"}',NULL,'b9b7c8069b16ecf054a680c087cab51984dae97ef62f268ebba02109222bb712');
INSERT INTO "changes" VALUES(30,8,NULL,4,1000001.0,2,'["TaskClaimed","b",1,null,{"b":"RUNNING"},null]','{"type":"TaskClaimed","task":"b","token":"engine-1/8","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'78415e7b4be7e8ce07db2e62656d77e860d169ac4e33cd0389388f451c6d3134');
INSERT INTO "changes" VALUES(31,8,NULL,5,1000001.0,2,'["TaskSucceeded","b",1,null,{"b":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"b","token":"engine-1/8"}',NULL,'829c438db04d58504a9bf55abea0bb2874cf9fafa54cfcac2a496e489a14beac');
INSERT INTO "changes" VALUES(32,8,NULL,6,1000001.0,2,'["TaskClaimed","c",1,null,{"c":"RUNNING"},null]','{"type":"TaskClaimed","task":"c","token":"engine-1/9","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'7a1fe3272825b1a202fed43c563b5c5f5ae0b4b6e0714c0fc257585f76e4e39b');
INSERT INTO "changes" VALUES(33,8,NULL,7,1000001.0,2,'["TaskSucceeded","c",1,null,{"c":"SUCCESS"},"SUCCESS"]','{"type":"TaskSucceeded","task":"c","token":"engine-1/9"}',NULL,'234e32243456a5108e21a9ca1dfeb3615413584e4b57a0c12edf5448e293176c');
INSERT INTO "changes" VALUES(34,11,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/10","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'e75d053e0248d4845c0db142b9ef84c02d0d621947a0b2a84976ad334d75effe');
INSERT INTO "changes" VALUES(35,11,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/10"}',NULL,'a4fe80cab276b655a755eec385b1628b97a63a94bb18e8e2ad06d0ba0bdcec46');
INSERT INTO "changes" VALUES(36,11,NULL,4,1000001.0,2,'["TaskClaimed","b",1,null,{"b":"RUNNING"},null]','{"type":"TaskClaimed","task":"b","token":"engine-1/11","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'bec9a06ee619a68ee45997be6e343c3d9b120b643c3db4a7afc0c9a945645197');
INSERT INTO "changes" VALUES(37,11,NULL,5,1000001.0,2,'["TaskSucceeded","b",1,null,{"b":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"b","token":"engine-1/11"}',NULL,'6afd683cd5de217954767d25d9cc01480d4324e1f9c44ad822023d56ed3cdcaf');
INSERT INTO "changes" VALUES(38,11,NULL,6,1000001.0,2,'["TaskClaimed","c",1,null,{"c":"RUNNING"},null]','{"type":"TaskClaimed","task":"c","token":"engine-1/12","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'1743bed842ebcfb23421ec74b94fe977b56b7a1cc731aed2358218f2d777572e');
INSERT INTO "changes" VALUES(39,11,NULL,7,1000001.0,2,'["TaskSucceeded","c",1,null,{"c":"SUCCESS"},"SUCCESS"]','{"type":"TaskSucceeded","task":"c","token":"engine-1/12"}',NULL,'f68c3a26253db7c553b3c0a708d1978e41d4b38b76aa7230091c08d4a41bc519');
INSERT INTO "changes" VALUES(40,9,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/13","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'ac48784810705094cb9e0d4ad25b72cdbc507fecf230a4fb62bba36372ac27f7');
INSERT INTO "changes" VALUES(41,9,NULL,3,1000001.0,2,'["TaskFailed","a",1,null,{"a":"FAILED","b":"OMITTED"},null]','{"type":"TaskFailed","task":"a","token":"engine-1/13","error":{"code":"BROKEN","message":"it broke"},"retryable":false}',NULL,'e2582903839c0f4ae5c326b4069931b09b79666eacaf292c00b1ed126162e3e3');
INSERT INTO "changes" VALUES(42,9,NULL,4,1000001.0,2,'["RunCancelled",null,null,"ivan",{"c":"CANCELLED"},"CANCELLED",{"reason":"enough"}]','{"type":"RunCancelled","reason":"enough"}',NULL,'5e19eaf189684092d9189e865500d5034de4d39a9cc49abcabb6965cf8d7bf38');
INSERT INTO "changes" VALUES(43,10,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/14","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'00dadae76d5482bb8f46fc92eae71bb851662c3e839be3e38077719ec21b32e4');
INSERT INTO "changes" VALUES(44,10,NULL,3,1000001.0,2,'["TaskFailed","a",1,null,{"a":"FAILED","b":"OMITTED"},null]','{"type":"TaskFailed","task":"a","token":"engine-1/14","error":{"code":"BROKEN","message":"it broke"},"retryable":false}',NULL,'56cdd03fa79565ea618cdba3b4904eb98bf050ffb5c99530befd81bbd7714653');
INSERT INTO "changes" VALUES(45,10,NULL,4,1000001.0,2,'["RunCancelled",null,null,"ivan",{"c":"CANCELLED"},"CANCELLED",{"reason":"enough"}]','{"type":"RunCancelled","reason":"enough"}',NULL,'e3e33130d5b59dcbea3f28265c0a6c437dcaab93528ab9f65087102f9be6fe1c');
INSERT INTO "changes" VALUES(46,10,NULL,5,1000001.0,2,'["RunRetried",null,null,"ivan",{"a":"PENDING","b":"PENDING","c":"PENDING"},"RUNNING"]','{"type":"RunRetried","generation":1,"reason":""}',NULL,'fd987b563d177b3b55b2784cb7463368c9b54178bca7245a32a6a799278b67f3');
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('incarnation','2f697debc94a46dcb492626909857f30');
CREATE TABLE owners (
  number      INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  alive_until REAL NOT NULL,
  dead        INTEGER NOT NULL,
  position    INTEGER NOT NULL
) STRICT;
INSERT INTO "owners" VALUES(1,'engine-0',1000000.0,1,0);
INSERT INTO "owners" VALUES(2,'engine-1',1000031.0,0,46);
CREATE TABLE records (
  kind       TEXT NOT NULL,
  tenant     TEXT NOT NULL,
  id         TEXT NOT NULL,
  revision   INTEGER NOT NULL,
  expires_at REAL,
  document   TEXT NOT NULL,
  PRIMARY KEY (kind, tenant, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "records" VALUES('key','default','k1',1,NULL,'{"role":"viewer"}');
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
  outputs      TEXT, seal TEXT,
  FOREIGN KEY (tenant, workflow, version) REFERENCES workflows (tenant, name, version)
) STRICT;
INSERT INTO "runs" VALUES(1,'ready','default','w',2,'olga',1000000.0,'PENDING',1,1,0,0,0,0,971,1000000.0,NULL,NULL,1086400.0,1000031.5,0,NULL,NULL,'b4816e16a673cab10b8cffd1daf82d4b9743ec0f827ffb80983eba72e6f35a04');
INSERT INTO "runs" VALUES(2,'claimed','default','w',2,'olga',1000000.0,'RUNNING',2,1,0,0,0,1,1179,1000001.0,1000001.0,NULL,1086400.0,1000032.5,0,NULL,NULL,'16206fcd563f811b538687bd629ecc66f93f0797227012f3f8ecc0d93dc3dc35');
INSERT INTO "runs" VALUES(3,'waiting','default','w',2,'olga',1000000.0,'WAITING',4,1,0,0,0,0,1605,1000001.0,1000001.0,NULL,1086400.0,1086400.0,0,NULL,NULL,'19ca275adc0cb2518c614a8e7305fcc9c3b043613f6023ad20ff4bbe36da9359');
INSERT INTO "runs" VALUES(4,'signalled','default','w',2,'olga',1000000.0,'RUNNING',4,1,0,0,0,0,1711,1000001.0,1000001.0,NULL,1086400.0,1000032.5,0,NULL,NULL,'ab8a113e7f0b4b234707ae1b20bd5914aedf76a6a453cf0a6e2a041a78163c92');
INSERT INTO "runs" VALUES(5,'timed','default','w',2,'olga',1000000.0,'WAITING',3,1,0,0,0,0,1387,1000001.0,1000001.0,NULL,1086400.0,1003601.0,0,NULL,NULL,'5d36767f0ea1225caab99a8fc439c6a85db0b0882ca86b013cfb76ced697f5be');
INSERT INTO "runs" VALUES(6,'retrying','default','w',2,'olga',1000000.0,'WAITING',3,1,0,0,0,0,1395,1000001.0,1000001.0,NULL,1086400.0,1000064.0,0,NULL,NULL,'1a66363a0c1e434b6d50cad3187d335d6199ae379b5c9659d7289de04b86a554');
INSERT INTO "runs" VALUES(7,'paused','default','w',2,'olga',1000000.0,'PAUSED',4,1,1,0,0,0,1572,1000001.0,1000001.0,NULL,1086400.0,NULL,0,NULL,NULL,'bfbf6444eb10cf0f954a4cf9fe63a698d50aa1851a56b1414cf6d9c896aa171c');
INSERT INTO "runs" VALUES(8,'ended','default','w',2,'olga',1000000.0,'SUCCESS',7,1,0,0,0,0,2219,1000001.0,1000001.0,1000001.0,1086400.0,NULL,0,NULL,NULL,'234e32243456a5108e21a9ca1dfeb3615413584e4b57a0c12edf5448e293176c');
INSERT INTO "runs" VALUES(9,'cancelled','default','w',2,'olga',1000000.0,'CANCELLED',4,1,0,1,0,0,1670,1000001.0,1000001.0,1000001.0,1086400.0,NULL,0,NULL,NULL,'5e19eaf189684092d9189e865500d5034de4d39a9cc49abcabb6965cf8d7bf38');
INSERT INTO "runs" VALUES(10,'again','default','w',2,'olga',1000000.0,'RUNNING',5,2,0,0,0,0,1966,1000001.0,1000001.0,NULL,1086401.0,1000032.5,0,NULL,NULL,'fd987b563d177b3b55b2784cb7463368c9b54178bca7245a32a6a799278b67f3');
INSERT INTO "runs" VALUES(11,'child','default','w',2,NULL,1000000.0,'SUCCESS',7,1,0,0,0,0,2199,1000001.0,1000001.0,1000001.0,1086400.0,1000032.5,0,NULL,NULL,'f68c3a26253db7c553b3c0a708d1978e41d4b38b76aa7230091c08d4a41bc519');
CREATE TABLE tasks (
  run   INTEGER NOT NULL REFERENCES runs,
  name  TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "tasks" VALUES(2,'a','{"status":"RUNNING","updated_at":1000001.0,"attempt":1,"started_at":1000001.0,"claim":{"token":"engine-1/1","owner":"engine-1","phase":"main","at":1000001.0,"signal":null}}');
INSERT INTO "tasks" VALUES(3,'a','{"status":"WAITING","updated_at":1000001.0,"step":1,"outputs":{"k":[1.5,null]},"started_at":1000001.0,"wants":{"schema":{"type":"object"},"senders":["olga","ivan"],"closes":{"approve":1}},"tokens":["engine-1/2"],"delegated":[["eva","ivan"]]}');
INSERT INTO "tasks" VALUES(4,'a','{"status":"WAITING","updated_at":1000001.0,"step":1,"started_at":1000001.0,"wants":{},"inbox":[{"id":"s1","generation":1,"sender":"olga","data":{"decision":"approve"},"kind":"person","at":1000001.0}],"accepted":[["s1","olga","approve",null]],"tokens":["engine-1/3"]}');
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
CREATE TABLE waiting (
  tenant     TEXT NOT NULL,
  who        TEXT NOT NULL,
  created_at REAL NOT NULL,
  run        INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (tenant, who, created_at, run)
) STRICT, WITHOUT ROWID;
INSERT INTO "waiting" VALUES('default','person:eva',1000000.0,3);
INSERT INTO "waiting" VALUES('default','person:olga',1000000.0,3);
CREATE TABLE workflows (
  number   INTEGER PRIMARY KEY,
  tenant   TEXT NOT NULL,
  name     TEXT NOT NULL,
  version  INTEGER NOT NULL,
  document TEXT NOT NULL, deleted_at REAL,
  UNIQUE (tenant, name, version)
) STRICT;
INSERT INTO "workflows" VALUES(1,'default','w',1,'{"name":"w","description":"","tenant":"default","labels":{},"inputs":{},"outputs":{},"dag":{"entrypoint":["x"],"exitpoints":["x"],"tasks":[{"name":"x","type":"NOOP","arguments":{},"description":"","allow_failure":false}]},"version":1,"created_by":"olga","created_at":1000000.0}',NULL);
INSERT INTO "workflows" VALUES(2,'default','w',2,'{"name":"w","description":"","tenant":"default","labels":{},"inputs":{},"timeout":"P1D","outputs":{},"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false}]},"version":2,"created_by":"olga","created_at":1000000.0}',NULL);
CREATE INDEX runs_due ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_by_time ON runs (tenant, created_at);
CREATE INDEX runs_by_workflow ON runs (tenant, workflow, created_at);
CREATE INDEX runs_by_status ON runs (tenant, status, created_at);
CREATE INDEX runs_by_person ON runs (tenant, requested_by, created_at) WHERE requested_by IS NOT NULL;
CREATE UNIQUE INDEX changes_of_runs ON changes (run, revision) WHERE run IS NOT NULL;
CREATE INDEX records_ending ON records (expires_at) WHERE expires_at IS NOT NULL;
COMMIT;
