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
INSERT INTO "changes" VALUES(3,1,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"ready","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','c823e6e69ee9b62233a401c9d6a5b6ec82aaf45fd577f18a67671d6b2b3eacdf');
INSERT INTO "changes" VALUES(4,2,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"claimed","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','5df610953c76eb408ec18816de386e4f2b9b6b68bc2b58675b0d8b335126ec4e');
INSERT INTO "changes" VALUES(5,3,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"waiting","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','6f8c4304c19d4121fde0111fbf1382dbcf01f83dfe2a47debca0edf06e220b67');
INSERT INTO "changes" VALUES(6,4,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"signalled","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','3608b538917dc81455ea60fd01b3869f0d2c281166097e9dba103c41f2c7391e');
INSERT INTO "changes" VALUES(7,5,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"timed","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','aeb3db669a739c295753cd7b0f4816fcb41c1d6a24c1abb336713fdcf3b3a86f');
INSERT INTO "changes" VALUES(8,6,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"retrying","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','1b4f7d885d879fc9f7cbb1ebed63296756bf0cf5cd5ad11580731b97cb485c5f');
INSERT INTO "changes" VALUES(9,7,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"paused","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','b06ee405b8338e8f6a6fa4c840d81d86418fc5818d82f6733aa9624c401c9eb6');
INSERT INTO "changes" VALUES(10,8,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"ended","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','da8dec62d63452f5feb8e5e4140c1bbf07f6aea9921130eb61c4d714f0865bcf');
INSERT INTO "changes" VALUES(11,9,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"cancelled","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','22114268de6b8d54fa978269a05eafb290a9578dbab655892173e9502393c1aa');
INSERT INTO "changes" VALUES(12,10,NULL,1,1000000.0,2,'["RunCreated",null,null,"olga",{},"PENDING"]',NULL,'{"id":"again","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":"olga","labels":{"team":"data"},"inputs":{"n":1,"text":"ü✓"},"outputs":null,"error":null,"parent":null,"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','d7ed81fa5c8998e1d4d823dcb53e7d7a2be9665e6f989509a5dd5cf3eab209f7');
INSERT INTO "changes" VALUES(13,11,NULL,1,1000000.0,2,'["RunCreated",null,null,null,{},"PENDING"]',NULL,'{"id":"child","tenant":"default","workflow":{"name":"w","version":2},"status":"PENDING","requested_by":null,"labels":{},"inputs":{},"outputs":null,"error":null,"parent":{"run":"waiting","task":"a","generation":1},"generation":1,"revision":1,"created_at":1000000.0,"updated_at":1000000.0,"started_at":null,"finished_at":null,"wake_at":1000031.5,"deadline":1086400.0,"dag":{"entrypoint":["a"],"exitpoints":["c"],"tasks":[{"name":"a","type":"NOOP","arguments":{},"description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"b","type":"NOOP","arguments":{},"depends":"a","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null},{"name":"c","type":"NOOP","arguments":{},"depends":"b || a.FAILED","description":"","retry":{"max_attempts":3,"initial_interval":"1m","backoff":2.0,"max_interval":"5m","jitter":0.1},"allow_failure":false,"status":"PENDING","updated_at":1000000.0,"attempt":0,"outputs":null,"error":null,"started_at":null,"finished_at":null}]}}','8e359d1a9e063d689f54e490fb10f8f99cd93bfa6b3cc719857d78ef0241421c');
INSERT INTO "changes" VALUES(14,2,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/1","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'91d9453319b252513ffad15b94f755ab8ef62b4f0be9203c5650205e0f95f0b5');
INSERT INTO "changes" VALUES(15,3,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/2","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'d9263e87a10d465fd3afbe7fdbe16642a72c544c5abf92d8acd6626b81461c9d');
INSERT INTO "changes" VALUES(16,3,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/2","wants":{"schema":{"type":"object"},"senders":["olga","ivan"],"closes":{"approve":1}},"outputs":{"k":[1.5,null]}}',NULL,'0c7eba0bf6f3045565a8c1a11228b917cd9fd64722852a9c8dfd9c9e4b7be6a8');
INSERT INTO "changes" VALUES(17,3,NULL,4,1000001.0,2,'["TaskDelegated","a",0,"ivan",{},null,{"from":"ivan","to":"eva","reason":"away"}]','{"type":"TaskDelegated","task":"a","generation":1,"sender":"ivan","to":"eva","reason":"away"}',NULL,'6354b748a1a65ecc59c960ee420eb9cdc6363123eb9c7a1302fc3e39e04f441b');
INSERT INTO "changes" VALUES(18,4,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/3","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'b90d8f4e8428e401c5c84210d3d8babdcda31e612568373dff5a84d70ee6b158');
INSERT INTO "changes" VALUES(19,4,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/3","wants":{}}',NULL,'aec7e041d0e57c1a702e5156675ea0465e1a2fd935a57bb2c82950d5b38660fb');
INSERT INTO "changes" VALUES(20,4,NULL,4,1000001.0,2,'["SignalReceived","a",0,"olga",{},"RUNNING",{"decision":"approve"}]','{"type":"SignalReceived","task":"a","signal":{"id":"s1","generation":1,"sender":"olga","data":{"decision":"approve"},"kind":"person","at":0.0}}',NULL,'93dafd83c7b41536f890b4461ed5adffe44bc98c8543fad5127a3e440ba32154');
INSERT INTO "changes" VALUES(21,5,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/4","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'292d46d341be0bb709d9c6c36fbffbae5c2c6aebb89d084f443fb40f52fdaf3a');
INSERT INTO "changes" VALUES(22,5,NULL,3,1000001.0,2,'["TaskSuspended","a",1,null,{"a":"WAITING"},"WAITING"]','{"type":"TaskSuspended","task":"a","token":"engine-1/4","after":3600.0}',NULL,'53cdd72b54b3e386b39d2bf9fa39fa109f97cf1d20c442c07c4ad1432d8144e9');
INSERT INTO "changes" VALUES(23,6,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/5","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'ccb3cc364567de60a54f994ec8b50db76256d5f4e49edd0269afb63a010ad70d');
INSERT INTO "changes" VALUES(24,6,NULL,3,1000001.0,2,'["TaskRetried","a",1,null,{"a":"PENDING"},"WAITING"]','{"type":"TaskFailed","task":"a","token":"engine-1/5","error":{"code":"BROKEN","message":"it broke"},"retryable":true}',NULL,'6fcb61a47affb83f1ce262b5b37f79fd29c9d8365b80def668553c3fdc9d7937');
INSERT INTO "changes" VALUES(25,7,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/6","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'b9a54f8af0e7b5c2dd56e6b9fdb4be6c63d2593a341aeeabf0d98ba4b6c630af');
INSERT INTO "changes" VALUES(26,7,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/6","outputs":{"n":1}}',NULL,'10861497db7d4df3100002c5d68f0543149f22cc1425a98fdec9be91f03848c1');
INSERT INTO "changes" VALUES(27,7,NULL,4,1000001.0,2,'["RunPaused",null,null,"ivan",{},"PAUSED",{"reason":"lunch"}]','{"type":"RunPaused","reason":"lunch"}',NULL,'aeac665f066b56caa48afa5b2fc7c8122a9dcd92e9fb815be58f12b04b431a54');
INSERT INTO "changes" VALUES(28,8,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/7","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'8ca71f796c22d6c27bb7ccb73925ff29a6c8216bb545ad5e343f7def5a5a3d3b');
INSERT INTO "changes" VALUES(29,8,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/7"}',NULL,'ffff96bac4c2342a6feeb5d4a16c21a1a7ef8ca94479add1564961175e7ed928');
INSERT INTO "changes" VALUES(30,8,NULL,4,1000001.0,2,'["TaskClaimed","b",1,null,{"b":"RUNNING"},null]','{"type":"TaskClaimed","task":"b","token":"engine-1/8","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'e3b74b0367e5017fc6df4da5d4fdd5f3564c507e1629d21f969e4707eb5e1294');
INSERT INTO "changes" VALUES(31,8,NULL,5,1000001.0,2,'["TaskSucceeded","b",1,null,{"b":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"b","token":"engine-1/8"}',NULL,'2b2bc50469b4ee88b6005831918798d98355bf2ae2d0d1266ba9233e265bde24');
INSERT INTO "changes" VALUES(32,8,NULL,6,1000001.0,2,'["TaskClaimed","c",1,null,{"c":"RUNNING"},null]','{"type":"TaskClaimed","task":"c","token":"engine-1/9","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'fdc593fa8c65a54167bc021ac34cf441238dad2ca2add603e7cba71b20f76485');
INSERT INTO "changes" VALUES(33,8,NULL,7,1000001.0,2,'["TaskSucceeded","c",1,null,{"c":"SUCCESS"},"SUCCESS"]','{"type":"TaskSucceeded","task":"c","token":"engine-1/9"}',NULL,'7342e0a0ac264fdb5212ed9d6869c4860876a886e5ad2b7584ccc8a17ca1bc6e');
INSERT INTO "changes" VALUES(34,11,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/10","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'d308bb65132cf1f6f19dcd7bd2e4ec724b79983ff3bf354203e96ee6fe2cb2be');
INSERT INTO "changes" VALUES(35,11,NULL,3,1000001.0,2,'["TaskSucceeded","a",1,null,{"a":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"a","token":"engine-1/10"}',NULL,'de0d92e839b227a2df6640bca156d705770aaef09c3bf94d1015d28896e9df13');
INSERT INTO "changes" VALUES(36,11,NULL,4,1000001.0,2,'["TaskClaimed","b",1,null,{"b":"RUNNING"},null]','{"type":"TaskClaimed","task":"b","token":"engine-1/11","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'24db9f3d340677b2c55812eada53433167d5076c2b2fa3a031242aac70c4d4a6');
INSERT INTO "changes" VALUES(37,11,NULL,5,1000001.0,2,'["TaskSucceeded","b",1,null,{"b":"SUCCESS"},null]','{"type":"TaskSucceeded","task":"b","token":"engine-1/11"}',NULL,'c902bc50983e26057fd9f5184cf645240d11b62a37ffe736bd7fa5eb686a90ed');
INSERT INTO "changes" VALUES(38,11,NULL,6,1000001.0,2,'["TaskClaimed","c",1,null,{"c":"RUNNING"},null]','{"type":"TaskClaimed","task":"c","token":"engine-1/12","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'8d11d132bc248132e1332768a17851abb32c6f2a54b8bb7f0105e8975e026bd6');
INSERT INTO "changes" VALUES(39,11,NULL,7,1000001.0,2,'["TaskSucceeded","c",1,null,{"c":"SUCCESS"},"SUCCESS"]','{"type":"TaskSucceeded","task":"c","token":"engine-1/12"}',NULL,'522512c941baa271f44c2d5a6a13858a722960398d784f9694c67d5648701a24');
INSERT INTO "changes" VALUES(40,9,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/13","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'e98cac7e32745d0804421854f1d94ce26596cb7de37c50b46a23066e8c1ad858');
INSERT INTO "changes" VALUES(41,9,NULL,3,1000001.0,2,'["TaskFailed","a",1,null,{"a":"FAILED","b":"OMITTED"},null]','{"type":"TaskFailed","task":"a","token":"engine-1/13","error":{"code":"BROKEN","message":"it broke"},"retryable":false}',NULL,'ab2343607ee88d42abe4ed1a8f899af61913db466529e461d0ed771bb3684382');
INSERT INTO "changes" VALUES(42,9,NULL,4,1000001.0,2,'["RunCancelled",null,null,"ivan",{"c":"CANCELLED"},"CANCELLED",{"reason":"enough"}]','{"type":"RunCancelled","reason":"enough"}',NULL,'e859d36c713d7d95a8941ae73427cf4fe8c38e8e0c9ef19c54ca870835d3c853');
INSERT INTO "changes" VALUES(43,10,NULL,2,1000001.0,2,'["TaskClaimed","a",1,null,{"a":"RUNNING"},"RUNNING"]','{"type":"TaskClaimed","task":"a","token":"engine-1/14","owner":"engine-1","generation":1,"step":0,"attempt":1,"phase":"main"}',NULL,'a929b0aff47b2b3658885f2149e7315aa9e150dfd153d1c96a8f3673b2ae1043');
INSERT INTO "changes" VALUES(44,10,NULL,3,1000001.0,2,'["TaskFailed","a",1,null,{"a":"FAILED","b":"OMITTED"},null]','{"type":"TaskFailed","task":"a","token":"engine-1/14","error":{"code":"BROKEN","message":"it broke"},"retryable":false}',NULL,'fddbaf993748e1d62f826743c445dbca36ce8e7b18ff0f6f9c1b5c7694e0c487');
INSERT INTO "changes" VALUES(45,10,NULL,4,1000001.0,2,'["RunCancelled",null,null,"ivan",{"c":"CANCELLED"},"CANCELLED",{"reason":"enough"}]','{"type":"RunCancelled","reason":"enough"}',NULL,'85ffee961729cdf87105baa2dd48c65a106d0f9cfa9771fc17a718fed7bcb2ab');
INSERT INTO "changes" VALUES(46,10,NULL,5,1000001.0,2,'["RunRetried",null,null,"ivan",{"a":"PENDING","b":"PENDING","c":"PENDING"},"RUNNING"]','{"type":"RunRetried","generation":1,"reason":""}',NULL,'9154a61879315bf3cb44b6dfb390a84c580b385d77468d6974efbde475e0fa10');
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('incarnation','6fdcfbf81bcd45e6b0fdfe60af87e6f7');
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
INSERT INTO "runs" VALUES(1,'ready','default','w',2,'olga',1000000.0,'PENDING',1,1,0,0,0,0,971,1000000.0,NULL,NULL,1086400.0,1000031.5,0,NULL,NULL,'c823e6e69ee9b62233a401c9d6a5b6ec82aaf45fd577f18a67671d6b2b3eacdf');
INSERT INTO "runs" VALUES(2,'claimed','default','w',2,'olga',1000000.0,'RUNNING',2,1,0,0,0,1,1179,1000001.0,1000001.0,NULL,1086400.0,1000032.5,0,NULL,NULL,'91d9453319b252513ffad15b94f755ab8ef62b4f0be9203c5650205e0f95f0b5');
INSERT INTO "runs" VALUES(3,'waiting','default','w',2,'olga',1000000.0,'WAITING',4,1,0,0,0,0,1605,1000001.0,1000001.0,NULL,1086400.0,1086400.0,0,NULL,NULL,'6354b748a1a65ecc59c960ee420eb9cdc6363123eb9c7a1302fc3e39e04f441b');
INSERT INTO "runs" VALUES(4,'signalled','default','w',2,'olga',1000000.0,'RUNNING',4,1,0,0,0,0,1711,1000001.0,1000001.0,NULL,1086400.0,1000032.5,0,NULL,NULL,'93dafd83c7b41536f890b4461ed5adffe44bc98c8543fad5127a3e440ba32154');
INSERT INTO "runs" VALUES(5,'timed','default','w',2,'olga',1000000.0,'WAITING',3,1,0,0,0,0,1387,1000001.0,1000001.0,NULL,1086400.0,1003601.0,0,NULL,NULL,'53cdd72b54b3e386b39d2bf9fa39fa109f97cf1d20c442c07c4ad1432d8144e9');
INSERT INTO "runs" VALUES(6,'retrying','default','w',2,'olga',1000000.0,'WAITING',3,1,0,0,0,0,1395,1000001.0,1000001.0,NULL,1086400.0,1000064.0,0,NULL,NULL,'6fcb61a47affb83f1ce262b5b37f79fd29c9d8365b80def668553c3fdc9d7937');
INSERT INTO "runs" VALUES(7,'paused','default','w',2,'olga',1000000.0,'PAUSED',4,1,1,0,0,0,1572,1000001.0,1000001.0,NULL,1086400.0,NULL,0,NULL,NULL,'aeac665f066b56caa48afa5b2fc7c8122a9dcd92e9fb815be58f12b04b431a54');
INSERT INTO "runs" VALUES(8,'ended','default','w',2,'olga',1000000.0,'SUCCESS',7,1,0,0,0,0,2219,1000001.0,1000001.0,1000001.0,1086400.0,NULL,0,NULL,NULL,'7342e0a0ac264fdb5212ed9d6869c4860876a886e5ad2b7584ccc8a17ca1bc6e');
INSERT INTO "runs" VALUES(9,'cancelled','default','w',2,'olga',1000000.0,'CANCELLED',4,1,0,1,0,0,1670,1000001.0,1000001.0,1000001.0,1086400.0,NULL,0,NULL,NULL,'e859d36c713d7d95a8941ae73427cf4fe8c38e8e0c9ef19c54ca870835d3c853');
INSERT INTO "runs" VALUES(10,'again','default','w',2,'olga',1000000.0,'RUNNING',5,2,0,0,0,0,1966,1000001.0,1000001.0,NULL,1086401.0,1000032.5,0,NULL,NULL,'9154a61879315bf3cb44b6dfb390a84c580b385d77468d6974efbde475e0fa10');
INSERT INTO "runs" VALUES(11,'child','default','w',2,NULL,1000000.0,'SUCCESS',7,1,0,0,0,0,2199,1000001.0,1000001.0,1000001.0,1086400.0,1000032.5,0,NULL,NULL,'522512c941baa271f44c2d5a6a13858a722960398d784f9694c67d5648701a24');
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
