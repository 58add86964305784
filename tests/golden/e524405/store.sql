PRAGMA user_version=2;
BEGIN TRANSACTION;
CREATE TABLE conversations (
    conversation_id TEXT PRIMARY KEY,
    version         INTEGER NOT NULL,
    body            TEXT NOT NULL,
    members         TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "conversations" VALUES('2f7e43e4-418f-5383-8bf2-0794a86cd862',1,'{"conversation_id":"2f7e43e4-418f-5383-8bf2-0794a86cd862","type":"private","owner":"inbox-instagram","created_at":1795975649009}','[{"user_id":"inbox-instagram","joined":1},{"user_id":"contact-3c90d853-e70f-54ce-8828-ddea8de27889","joined":1}]');
INSERT INTO "conversations" VALUES('3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b',1,'{"conversation_id":"3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b","type":"private","owner":"alice","created_at":1795975648956}','[{"user_id":"alice","joined":1},{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","joined":1}]');
INSERT INTO "conversations" VALUES('b5f0ffcc-060c-59cc-8a06-a243220e1b07',1,'{"conversation_id":"b5f0ffcc-060c-59cc-8a06-a243220e1b07","type":"private","owner":"inbox-whatsapp","created_at":1795975648978}','[{"user_id":"inbox-whatsapp","joined":1},{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","joined":1}]');
INSERT INTO "conversations" VALUES('d379c93f-2832-5756-bdc9-008d0002d8fa',1,'{"conversation_id":"d379c93f-2832-5756-bdc9-008d0002d8fa","type":"private","owner":"alice","created_at":1795975648822}','[{"user_id":"alice","joined":1},{"user_id":"bob","joined":1}]');
INSERT INTO "conversations" VALUES('e789cabe-d8f9-560a-89f2-f542c1f47af1',1,'{"conversation_id":"e789cabe-d8f9-560a-89f2-f542c1f47af1","type":"private","owner":"inbox-whatsapp","created_at":1795975648997}','[{"user_id":"inbox-whatsapp","joined":1},{"user_id":"contact-ac40a793-ccb6-5ebb-b317-fbd4c34211b4","joined":1}]');
INSERT INTO "conversations" VALUES('f33f680e-6779-4180-b404-249fc5a9d2cd',1,'{"conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","type":"group","owner":"crm","created_at":1795975648805,"metadata":{"topic":"tea"}}','[{"user_id":"alice","joined":1},{"user_id":"bob","joined":1},{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","joined":1},{"user_id":"contact-3c90d853-e70f-54ce-8828-ddea8de27889","joined":1}]');
CREATE TABLE conversations_of_user (
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    PRIMARY KEY (user_id, conversation_id)
) WITHOUT ROWID;
INSERT INTO "conversations_of_user" VALUES('alice','3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b');
INSERT INTO "conversations_of_user" VALUES('alice','d379c93f-2832-5756-bdc9-008d0002d8fa');
INSERT INTO "conversations_of_user" VALUES('alice','f33f680e-6779-4180-b404-249fc5a9d2cd');
INSERT INTO "conversations_of_user" VALUES('bob','d379c93f-2832-5756-bdc9-008d0002d8fa');
INSERT INTO "conversations_of_user" VALUES('bob','f33f680e-6779-4180-b404-249fc5a9d2cd');
INSERT INTO "conversations_of_user" VALUES('contact-3c90d853-e70f-54ce-8828-ddea8de27889','2f7e43e4-418f-5383-8bf2-0794a86cd862');
INSERT INTO "conversations_of_user" VALUES('contact-3c90d853-e70f-54ce-8828-ddea8de27889','f33f680e-6779-4180-b404-249fc5a9d2cd');
INSERT INTO "conversations_of_user" VALUES('contact-47932a66-fb05-578d-bd5e-022ffc02703b','3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b');
INSERT INTO "conversations_of_user" VALUES('contact-47932a66-fb05-578d-bd5e-022ffc02703b','b5f0ffcc-060c-59cc-8a06-a243220e1b07');
INSERT INTO "conversations_of_user" VALUES('contact-47932a66-fb05-578d-bd5e-022ffc02703b','f33f680e-6779-4180-b404-249fc5a9d2cd');
INSERT INTO "conversations_of_user" VALUES('contact-ac40a793-ccb6-5ebb-b317-fbd4c34211b4','e789cabe-d8f9-560a-89f2-f542c1f47af1');
INSERT INTO "conversations_of_user" VALUES('inbox-instagram','2f7e43e4-418f-5383-8bf2-0794a86cd862');
INSERT INTO "conversations_of_user" VALUES('inbox-whatsapp','b5f0ffcc-060c-59cc-8a06-a243220e1b07');
INSERT INTO "conversations_of_user" VALUES('inbox-whatsapp','e789cabe-d8f9-560a-89f2-f542c1f47af1');
CREATE TABLE dead_letters (
    letter_id TEXT PRIMARY KEY,
    day       TEXT NOT NULL,
    at        INTEGER NOT NULL,
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset    INTEGER NOT NULL,
    delivery  TEXT NOT NULL,
    body      TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "dead_letters" VALUES('347e9fac-63e2-59cf-9f3b-8de526079d39','2026-11-29',1795975649216,'chat-incoming',0,99,'','{"letter_id":"347e9fac-63e2-59cf-9f3b-8de526079d39","at":1795975649216,"stage":"persist","reason":"unreadable","detail":"golden","topic":"chat-incoming","offset":99}');
INSERT INTO "dead_letters" VALUES('7a0a085f-9002-5d98-8eb9-78897b157e52','2026-11-29',1795975649130,'',0,-1,'whatsapp:1:1:0','{"letter_id":"7a0a085f-9002-5d98-8eb9-78897b157e52","at":1795975649130,"stage":"deliver","reason":"no_identity","conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000004","delivery":"whatsapp:1:1:0","channel":"whatsapp","first_at":1795975648962}');
INSERT INTO "dead_letters" VALUES('bd9116ea-0405-5bba-8afd-c7b6bc437fb1','2026-11-29',1795975649130,'',0,-1,'instagram:1:1:1','{"letter_id":"bd9116ea-0405-5bba-8afd-c7b6bc437fb1","at":1795975649130,"stage":"deliver","reason":"no_identity","conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000004","delivery":"instagram:1:1:1","channel":"instagram","first_at":1795975648962}');
INSERT INTO "dead_letters" VALUES('e9235f88-26b0-5bd6-8cad-a2ef7dae8a81','2026-11-29',1795975649130,'',0,-1,'instagram:1:1:3','{"letter_id":"e9235f88-26b0-5bd6-8cad-a2ef7dae8a81","at":1795975649130,"stage":"deliver","reason":"no_identity","conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000004","delivery":"instagram:1:1:3","channel":"instagram","first_at":1795975648962}');
CREATE TABLE deliveries (
    channel        TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    idx            INTEGER NOT NULL,
    body           TEXT NOT NULL,
    attempts       INTEGER NOT NULL DEFAULT 0,
    attempted_at   INTEGER NOT NULL DEFAULT 0,
    refusals       INTEGER NOT NULL DEFAULT 0,
    resends        INTEGER NOT NULL DEFAULT 0,
    sent_at        INTEGER NOT NULL DEFAULT 0,
    provider_id    TEXT NOT NULL DEFAULT '',
    refused_at     INTEGER NOT NULL DEFAULT 0,
    refused_reason TEXT NOT NULL DEFAULT '',
    failed_at      INTEGER NOT NULL DEFAULT 0,
    failed_reason  TEXT NOT NULL DEFAULT '',
    delivered_at   INTEGER NOT NULL DEFAULT 0,
    read_at        INTEGER NOT NULL DEFAULT 0,
    resent_as      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, partition, seq, idx)
) WITHOUT ROWID;
INSERT INTO "deliveries" VALUES('instagram',1,1,1,'{"key":{"lane":{"channel":"instagram","partition":1},"seq":1,"index":1},"conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000004","user_id":"alice","address":"","payload":{"type":"text","text":"everything"},"accepted_at":1795975648962,"sender_name":"Bob","facts":{},"trace":"00-4a56f57fdcd0a6061cfd29c29e499142-fb3582cf99ec42fd-00"}',0,0,0,0,0,'',1795975648962,'no_identity',0,'',0,0,0);
INSERT INTO "deliveries" VALUES('instagram',1,1,3,'{"key":{"lane":{"channel":"instagram","partition":1},"seq":1,"index":3},"conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000004","user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","address":"","payload":{"type":"text","text":"everything"},"accepted_at":1795975648962,"sender_name":"Bob","facts":{},"trace":"00-4a56f57fdcd0a6061cfd29c29e499142-fb3582cf99ec42fd-00"}',0,0,0,0,0,'',1795975648962,'no_identity',0,'',0,0,0);
INSERT INTO "deliveries" VALUES('instagram',1,2,1,'{"key":{"lane":{"channel":"instagram","partition":1},"seq":2,"index":1},"conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000005","user_id":"contact-3c90d853-e70f-54ce-8828-ddea8de27889","address":"+5511999990001","payload":{"type":"text","text":"to all"},"accepted_at":1795975648965,"sender_name":"Alice","facts":{},"trace":"00-acecf095b27a740f9d9e0f500975312e-b4c848d5a5635c31-00"}',0,0,0,0,0,'',0,'',0,'',0,0,0);
INSERT INTO "deliveries" VALUES('whatsapp',0,4,0,'{"key":{"lane":{"channel":"whatsapp","partition":0},"seq":4,"index":0},"conversation_id":"3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b","message_id":"00000000-0000-4000-8000-000000000003","user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","address":"+5511999990000","payload":{"type":"text","text":"to Carla"},"accepted_at":1795975648958,"facts":{},"trace":"00-1c340b1052c8cca7fc2fdcf914aa5486-a750f0bef2f90129-00"}',1,1764439200000,0,0,1700000000000,'wamid.0',0,'',1764439200300,'131026',1700000000000,0,0);
INSERT INTO "deliveries" VALUES('whatsapp',1,1,0,'{"key":{"lane":{"channel":"whatsapp","partition":1},"seq":1,"index":0},"conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000004","user_id":"alice","address":"","payload":{"type":"text","text":"everything"},"accepted_at":1795975648962,"sender_name":"Bob","facts":{},"trace":"00-4a56f57fdcd0a6061cfd29c29e499142-fb3582cf99ec42fd-00"}',2,1764439200000,2,0,0,'',1764439200100,'invalid',0,'',0,0,0);
INSERT INTO "deliveries" VALUES('whatsapp',1,1,2,'{"key":{"lane":{"channel":"whatsapp","partition":1},"seq":1,"index":2},"conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000004","user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","address":"+5511999990000","payload":{"type":"text","text":"everything"},"accepted_at":1795975648962,"sender_name":"Bob","facts":{},"trace":"00-4a56f57fdcd0a6061cfd29c29e499142-fb3582cf99ec42fd-00"}',1,1764439200000,0,0,0,'',0,'',0,'',0,0,0);
INSERT INTO "deliveries" VALUES('whatsapp',1,2,0,'{"key":{"lane":{"channel":"whatsapp","partition":1},"seq":2,"index":0},"conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","message_id":"00000000-0000-4000-8000-000000000005","user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","address":"+5511999990000","payload":{"type":"text","text":"to all"},"accepted_at":1795975648965,"sender_name":"Alice","facts":{},"trace":"00-acecf095b27a740f9d9e0f500975312e-b4c848d5a5635c31-00"}',1,1764439200000,0,0,1764439200100,'wamid.3',0,'',0,'',0,0,0);
CREATE TABLE files (
    file_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    due_at  INTEGER NOT NULL,
    body    TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "files" VALUES('59c4cfc4-fddb-4323-b075-39863ea8eab5',4,1796062048914,'{"file_id":"59c4cfc4-fddb-4323-b075-39863ea8eab5","conversation_id":"d379c93f-2832-5756-bdc9-008d0002d8fa","owner":"alice","filename":"tea.txt","mime_type":"text/plain","size":12,"part_size":16777216,"created_at":1795975648824,"status":"ready","version":4,"due_at":1796062048914,"checksum":"d249b8beb7a58794c75abe3498bcc32d56040fafa42d79d570c13d1628ecc051","object_key":"59c4cfc4-fddb-4323-b075-39863ea8eab5"}');
INSERT INTO "files" VALUES('718e9035-62fd-510c-b6bf-f80836db4242',1,1795975654010,'{"file_id":"718e9035-62fd-510c-b6bf-f80836db4242","conversation_id":"2f7e43e4-418f-5383-8bf2-0794a86cd862","owner":"contact-3c90d853-e70f-54ce-8828-ddea8de27889","filename":"cat.png","mime_type":"image/png","size":0,"part_size":0,"created_at":1795975649010,"channel":"instagram","media":"media-1","message_id":"d26bfaf0-1649-57aa-a006-ed0aae2c56b4","due_at":1795975654010,"expires_at":1796062049010}');
CREATE TABLE handles (
    channel     TEXT NOT NULL,
    account     TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    delivery    TEXT NOT NULL,
    PRIMARY KEY (channel, account, provider_id)
) WITHOUT ROWID;
INSERT INTO "handles" VALUES('whatsapp','whatsapp-account','wamid.0','whatsapp:0:4:0');
INSERT INTO "handles" VALUES('whatsapp','whatsapp-account','wamid.3','whatsapp:1:2:0');
CREATE TABLE identities (
    channel       TEXT NOT NULL,
    address       TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    since         INTEGER NOT NULL,
    verified      INTEGER NOT NULL,
    last_wrote_at INTEGER NOT NULL,
    PRIMARY KEY (channel, address)
) WITHOUT ROWID;
INSERT INTO "identities" VALUES('instagram','+5511999990001','contact-3c90d853-e70f-54ce-8828-ddea8de27889',1795975648803,1,1700000000000);
INSERT INTO "identities" VALUES('whatsapp','+5511999990000','contact-47932a66-fb05-578d-bd5e-022ffc02703b',1795975648803,1,1700000000000);
INSERT INTO "identities" VALUES('whatsapp','+5511999990009','contact-ac40a793-ccb6-5ebb-b317-fbd4c34211b4',1795975648992,1,1700000000000);
INSERT INTO "identities" VALUES('whatsapp','+5511999990010','contact-ac40a793-ccb6-5ebb-b317-fbd4c34211b4',1795975648996,0,0);
CREATE TABLE inbound (
    channel         TEXT NOT NULL,
    account         TEXT NOT NULL,
    provider_id     TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (channel, account, provider_id)
) WITHOUT ROWID;
INSERT INTO "inbound" VALUES('instagram','instagram-account','p3','2f7e43e4-418f-5383-8bf2-0794a86cd862',1795975649009);
INSERT INTO "inbound" VALUES('whatsapp','whatsapp-account','p1','b5f0ffcc-060c-59cc-8a06-a243220e1b07',1795975648982);
INSERT INTO "inbound" VALUES('whatsapp','whatsapp-account','p2','e789cabe-d8f9-560a-89f2-f542c1f47af1',1795975649002);
INSERT INTO "inbound" VALUES('whatsapp','whatsapp-account','p4','b5f0ffcc-060c-59cc-8a06-a243220e1b07',1795975649119);
CREATE TABLE lanes (
    channel   TEXT NOT NULL,
    partition INTEGER NOT NULL,
    fanned    INTEGER NOT NULL DEFAULT 0,
    cursor    INTEGER NOT NULL DEFAULT 0,
    holder    TEXT NOT NULL DEFAULT '',
    fence     INTEGER NOT NULL DEFAULT 0,
    beat      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, partition)
) WITHOUT ROWID;
INSERT INTO "lanes" VALUES('instagram',1,4,0,'',0,0);
INSERT INTO "lanes" VALUES('whatsapp',0,9,0,'',0,0);
INSERT INTO "lanes" VALUES('whatsapp',1,4,0,'',0,0);
CREATE TABLE last_conversations (
    channel         TEXT NOT NULL,
    address         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (channel, address)
) WITHOUT ROWID;
INSERT INTO "last_conversations" VALUES('whatsapp','+5511999990000','f33f680e-6779-4180-b404-249fc5a9d2cd',1764439200100);
CREATE TABLE links (
    channel         TEXT NOT NULL,
    address         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    PRIMARY KEY (channel, address)
) WITHOUT ROWID;
INSERT INTO "links" VALUES('whatsapp','+5511999990000','f33f680e-6779-4180-b404-249fc5a9d2cd');
CREATE TABLE message_ids (
    message_id      TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    digest          TEXT NOT NULL,
    PRIMARY KEY (message_id, conversation_id)
) WITHOUT ROWID;
INSERT INTO "message_ids" VALUES('00000000-0000-4000-8000-000000000000','d379c93f-2832-5756-bdc9-008d0002d8fa',1,'13470fc8454a47d1b61d79d74f7d06f0');
INSERT INTO "message_ids" VALUES('00000000-0000-4000-8000-000000000001','d379c93f-2832-5756-bdc9-008d0002d8fa',2,'7ebd22582c5ec2476846b89ef4bcd832');
INSERT INTO "message_ids" VALUES('00000000-0000-4000-8000-000000000002','d379c93f-2832-5756-bdc9-008d0002d8fa',3,'b6fed9a71ede473ecfbec7adcae8ac50');
INSERT INTO "message_ids" VALUES('00000000-0000-4000-8000-000000000003','3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b',4,'162756d29e36658b502bae4c785162ee');
INSERT INTO "message_ids" VALUES('00000000-0000-4000-8000-000000000004','f33f680e-6779-4180-b404-249fc5a9d2cd',1,'47c648c37510f2c5ac469d79f58537d4');
INSERT INTO "message_ids" VALUES('00000000-0000-4000-8000-000000000005','f33f680e-6779-4180-b404-249fc5a9d2cd',2,'e09bc8d5e1cbd0c45cc188cf14a4bb30');
INSERT INTO "message_ids" VALUES('2d1baf93-e1fe-53be-9ff5-ca1ece02fd91','b5f0ffcc-060c-59cc-8a06-a243220e1b07',6,'0583e5c774afd2393406fdc74f63764d');
INSERT INTO "message_ids" VALUES('675e1c76-7c5d-534f-97e0-7c7b80e33573','e789cabe-d8f9-560a-89f2-f542c1f47af1',3,'7ba9539c0de009a111150f35109dd374');
INSERT INTO "message_ids" VALUES('6e3698ec-9185-5e38-9e68-be23381ad875','b5f0ffcc-060c-59cc-8a06-a243220e1b07',7,'e52524201765a75bc8e496a9711d8340');
INSERT INTO "message_ids" VALUES('d26bfaf0-1649-57aa-a006-ed0aae2c56b4','2f7e43e4-418f-5383-8bf2-0794a86cd862',4,'69fb5141c09ebf297f6324ac3362bd83');
INSERT INTO "message_ids" VALUES('fdd8aab4-fab0-43e8-9b53-a9063f095b2b','d379c93f-2832-5756-bdc9-008d0002d8fa',5,'5901b2724ad1fc14fa8310eb631b705a');
INSERT INTO "message_ids" VALUES('not-a-uuid','d379c93f-2832-5756-bdc9-008d0002d8fa',8,'');
CREATE TABLE messages (
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    body            TEXT NOT NULL,
    PRIMARY KEY (conversation_id, seq)
) WITHOUT ROWID;
INSERT INTO "messages" VALUES('2f7e43e4-418f-5383-8bf2-0794a86cd862',4,'{"type":"message","message_id":"d26bfaf0-1649-57aa-a006-ed0aae2c56b4","conversation_id":"2f7e43e4-418f-5383-8bf2-0794a86cd862","sender":"contact-3c90d853-e70f-54ce-8828-ddea8de27889","payload":{"type":"file","file_id":"718e9035-62fd-510c-b6bf-f80836db4242","text":"a picture","filename":"cat.png","mime_type":"image/png"},"members_version":1,"accepted_at":1795975649010,"metadata":{"channel":"instagram"},"digest":"69fb5141c09ebf297f6324ac3362bd83","seq":4,"trace":"00-9c1eae79edd052f1d744b6d9637df1f5-bddf9c060e335d96-00"}');
INSERT INTO "messages" VALUES('3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b',4,'{"type":"message","message_id":"00000000-0000-4000-8000-000000000003","conversation_id":"3ae5eb6a-3a63-5ccb-9d72-0805c943ab1b","sender":"alice","payload":{"type":"text","text":"to Carla"},"members_version":1,"accepted_at":1795975648958,"recipients":[{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","channel":"whatsapp","address":"+5511999990000"}],"digest":"162756d29e36658b502bae4c785162ee","seq":4,"trace":"00-1c340b1052c8cca7fc2fdcf914aa5486-a750f0bef2f90129-00"}');
INSERT INTO "messages" VALUES('b5f0ffcc-060c-59cc-8a06-a243220e1b07',6,'{"type":"message","message_id":"2d1baf93-e1fe-53be-9ff5-ca1ece02fd91","conversation_id":"b5f0ffcc-060c-59cc-8a06-a243220e1b07","sender":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","payload":{"type":"text","text":"hello?"},"members_version":1,"accepted_at":1795975648990,"metadata":{"channel":"whatsapp"},"digest":"0583e5c774afd2393406fdc74f63764d","seq":6,"trace":"00-6d1ae1dcb535f6bff9bdec1f68c2f233-508132bbdef20050-00"}');
INSERT INTO "messages" VALUES('b5f0ffcc-060c-59cc-8a06-a243220e1b07',7,'{"type":"message","message_id":"6e3698ec-9185-5e38-9e68-be23381ad875","conversation_id":"b5f0ffcc-060c-59cc-8a06-a243220e1b07","sender":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","payload":{"type":"text","text":"(empty message)"},"members_version":1,"accepted_at":1795975649120,"metadata":{"channel":"whatsapp"},"digest":"e52524201765a75bc8e496a9711d8340","seq":7,"trace":"00-a2e59619259781e8027e0a41ced22a7f-de950331d946ae13-00"}');
INSERT INTO "messages" VALUES('d379c93f-2832-5756-bdc9-008d0002d8fa',1,'{"type":"message","message_id":"00000000-0000-4000-8000-000000000000","conversation_id":"d379c93f-2832-5756-bdc9-008d0002d8fa","sender":"alice","payload":{"type":"text","text":"hello"},"members_version":1,"accepted_at":1795975648924,"digest":"13470fc8454a47d1b61d79d74f7d06f0","seq":1,"trace":"00-aacd41fcf7a7ccc38ee4126f5d889040-a95a0cafa24bb2d6-00"}');
INSERT INTO "messages" VALUES('d379c93f-2832-5756-bdc9-008d0002d8fa',2,'{"type":"message","message_id":"00000000-0000-4000-8000-000000000001","conversation_id":"d379c93f-2832-5756-bdc9-008d0002d8fa","sender":"alice","payload":{"type":"text","text":"grüße 👋 ‮"},"members_version":1,"accepted_at":1795975648931,"digest":"7ebd22582c5ec2476846b89ef4bcd832","seq":2,"trace":"00-fc44ef042b3f18ac955a8c211d0496af-08389516366fdf36-00"}');
INSERT INTO "messages" VALUES('d379c93f-2832-5756-bdc9-008d0002d8fa',3,'{"type":"message","message_id":"00000000-0000-4000-8000-000000000002","conversation_id":"d379c93f-2832-5756-bdc9-008d0002d8fa","sender":"alice","payload":{"type":"file","file_id":"59c4cfc4-fddb-4323-b075-39863ea8eab5","text":"tea?","filename":"tea.txt","mime_type":"text/plain","size":12,"object_key":"59c4cfc4-fddb-4323-b075-39863ea8eab5"},"members_version":1,"accepted_at":1795975648944,"digest":"b6fed9a71ede473ecfbec7adcae8ac50","seq":3,"trace":"00-3de2d0b7ad72e9ee295ccc6505162734-765967ebca0339bf-00"}');
INSERT INTO "messages" VALUES('d379c93f-2832-5756-bdc9-008d0002d8fa',5,'{"type":"message","message_id":"fdd8aab4-fab0-43e8-9b53-a9063f095b2b","conversation_id":"d379c93f-2832-5756-bdc9-008d0002d8fa","sender":"alice","payload":{"type":"text","text":"an id of the server''s"},"members_version":1,"accepted_at":1795975648973,"digest":"5901b2724ad1fc14fa8310eb631b705a","seq":5,"trace":"00-a9c5535d0473bc4e49d5758e6c015d58-cca925f82e5c4c33-00"}');
INSERT INTO "messages" VALUES('d379c93f-2832-5756-bdc9-008d0002d8fa',8,'{"type":"message","message_id":"not-a-uuid","conversation_id":"d379c93f-2832-5756-bdc9-008d0002d8fa","sender":"alice","payload":{"type":"text","text":"x"},"members_version":1,"accepted_at":1,"seq":8}');
INSERT INTO "messages" VALUES('e789cabe-d8f9-560a-89f2-f542c1f47af1',3,'{"type":"message","message_id":"675e1c76-7c5d-534f-97e0-7c7b80e33573","conversation_id":"e789cabe-d8f9-560a-89f2-f542c1f47af1","sender":"contact-ac40a793-ccb6-5ebb-b317-fbd4c34211b4","payload":{"type":"text","text":"a stranger"},"members_version":1,"accepted_at":1795975649006,"metadata":{"channel":"whatsapp"},"digest":"7ba9539c0de009a111150f35109dd374","seq":3,"trace":"00-63fe06a14f3129afff03167e87f4872c-95da59743000fbad-00"}');
INSERT INTO "messages" VALUES('f33f680e-6779-4180-b404-249fc5a9d2cd',1,'{"type":"message","message_id":"00000000-0000-4000-8000-000000000004","conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","sender":"bob","payload":{"type":"text","text":"everything"},"members_version":1,"accepted_at":1795975648962,"recipients":[{"user_id":"alice","channel":"whatsapp"},{"user_id":"alice","channel":"instagram"},{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","channel":"whatsapp","address":"+5511999990000"},{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","channel":"instagram"}],"metadata":{"priority":"high","n":[1,2.5,null,true]},"digest":"47c648c37510f2c5ac469d79f58537d4","sender_name":"Bob","seq":1,"trace":"00-4a56f57fdcd0a6061cfd29c29e499142-fb3582cf99ec42fd-00"}');
INSERT INTO "messages" VALUES('f33f680e-6779-4180-b404-249fc5a9d2cd',2,'{"type":"message","message_id":"00000000-0000-4000-8000-000000000005","conversation_id":"f33f680e-6779-4180-b404-249fc5a9d2cd","sender":"alice","payload":{"type":"text","text":"to all"},"members_version":1,"accepted_at":1795975648965,"recipients":[{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","channel":"whatsapp","address":"+5511999990000"},{"user_id":"contact-3c90d853-e70f-54ce-8828-ddea8de27889","channel":"instagram","address":"+5511999990001"}],"digest":"e09bc8d5e1cbd0c45cc188cf14a4bb30","sender_name":"Alice","seq":2,"trace":"00-acecf095b27a740f9d9e0f500975312e-b4c848d5a5635c31-00"}');
CREATE TABLE object_holders (
    checksum TEXT NOT NULL,
    holder   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (checksum, holder)
) WITHOUT ROWID;
INSERT INTO "object_holders" VALUES('d249b8beb7a58794c75abe3498bcc32d56040fafa42d79d570c13d1628ecc051','file:59c4cfc4-fddb-4323-b075-39863ea8eab5',1795975648914);
INSERT INTO "object_holders" VALUES('d249b8beb7a58794c75abe3498bcc32d56040fafa42d79d570c13d1628ecc051','message:59c4cfc4-fddb-4323-b075-39863ea8eab5:d379c93f-2832-5756-bdc9-008d0002d8fa:00000000-0000-4000-8000-000000000002',1795975648944);
CREATE TABLE objects (
    checksum   TEXT PRIMARY KEY,
    object_key TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "objects" VALUES('d249b8beb7a58794c75abe3498bcc32d56040fafa42d79d570c13d1628ecc051','59c4cfc4-fddb-4323-b075-39863ea8eab5');
CREATE TABLE parked (
    channel     TEXT NOT NULL,
    account     TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    kind        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    reference   TEXT NOT NULL,
    parked_at   INTEGER NOT NULL,
    PRIMARY KEY (channel, account, provider_id, kind, at, reason, reference)
) WITHOUT ROWID;
INSERT INTO "parked" VALUES('whatsapp','whatsapp-account','early','read',1700000000000,'','',1795975649208);
INSERT INTO "parked" VALUES('whatsapp','whatsapp-account','wamid.0','delivered',1700000000000,'','',1795975649208);
INSERT INTO "parked" VALUES('whatsapp','whatsapp-account','wamid.0','failed',1764439200300,'131026','ref:1',1795975649208);
CREATE TABLE progress (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    done      INTEGER NOT NULL,
    beat      INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
INSERT INTO "progress" VALUES('chat-incoming',0,8,3);
INSERT INTO "progress" VALUES('chat-incoming',1,3,3);
INSERT INTO "progress" VALUES('chat-status',0,2,1);
INSERT INTO "progress" VALUES('chat-status',1,1,1);
CREATE TABLE topics (
    name       TEXT PRIMARY KEY,
    identity   TEXT NOT NULL,
    partitions INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tries (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    stage     TEXT NOT NULL,
    run       TEXT NOT NULL,
    excused   INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, first, last, stage, run)
) WITHOUT ROWID;
CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    body    TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "users" VALUES('alice','{"user_id":"alice","kind":"person","created_at":1,"display_name":"Alice"}');
INSERT INTO "users" VALUES('bob','{"user_id":"bob","kind":"person","created_at":1,"display_name":"Bob"}');
INSERT INTO "users" VALUES('contact-3c90d853-e70f-54ce-8828-ddea8de27889','{"user_id":"contact-3c90d853-e70f-54ce-8828-ddea8de27889","kind":"contact","created_at":1795975648803}');
INSERT INTO "users" VALUES('contact-47932a66-fb05-578d-bd5e-022ffc02703b','{"user_id":"contact-47932a66-fb05-578d-bd5e-022ffc02703b","kind":"contact","created_at":1795975648803}');
INSERT INTO "users" VALUES('contact-ac40a793-ccb6-5ebb-b317-fbd4c34211b4','{"user_id":"contact-ac40a793-ccb6-5ebb-b317-fbd4c34211b4","kind":"contact","created_at":1795975648992}');
INSERT INTO "users" VALUES('crm','{"user_id":"crm","kind":"client","created_at":1795975648756,"password_hash":"$argon2id$v=19$m=19456,t=2,p=1$c3cGGaXokYXunrdMfDJDMQ$m/xu+vDPVqghcUc/XijyjmLE0x0KsWHEelLDukZ01hA","scopes":["send","manage"]}');
INSERT INTO "users" VALUES('eve','{"user_id":"eve","kind":"person","created_at":1,"display_name":"Eve"}');
INSERT INTO "users" VALUES('inbox-instagram','{"user_id":"inbox-instagram","kind":"inbox","created_at":1795975649008,"display_name":"instagram inbox"}');
INSERT INTO "users" VALUES('inbox-whatsapp','{"user_id":"inbox-whatsapp","kind":"inbox","created_at":1795975648976,"display_name":"whatsapp inbox"}');
CREATE TABLE verifications (
    user_id    TEXT NOT NULL,
    channel    TEXT NOT NULL,
    address    TEXT NOT NULL,
    code_hash  TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    tries_left INTEGER NOT NULL,
    PRIMARY KEY (user_id, channel, address)
) WITHOUT ROWID;
CREATE TABLE waiting (
    channel         TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    address         TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    idx             INTEGER NOT NULL,
    retry_at        INTEGER NOT NULL,
    refusals        INTEGER NOT NULL,
    PRIMARY KEY (channel, partition, conversation_id, address)
) WITHOUT ROWID;
CREATE TABLE watermarks (
    conversation_id TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    delivered_up_to INTEGER NOT NULL,
    delivered_at    INTEGER NOT NULL,
    read_up_to      INTEGER NOT NULL,
    read_at         INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;
INSERT INTO "watermarks" VALUES('d379c93f-2832-5756-bdc9-008d0002d8fa','bob',8,1795975649202,8,1795975649203);
CREATE INDEX identities_of_user ON identities (user_id, channel, since, address);
CREATE INDEX verifications_by_age ON verifications (expires_at);
CREATE INDEX inbound_by_age ON inbound (at);
CREATE INDEX parked_by_age ON parked (parked_at);
CREATE INDEX waiting_by_time ON waiting (channel, partition, retry_at);
CREATE INDEX tries_that_count ON tries (topic, partition, last, first, stage) WHERE excused = 0;
CREATE INDEX tries_by_age ON tries (excused, at);
CREATE INDEX dead_letters_by_day ON dead_letters (day, at, letter_id);
CREATE INDEX dead_letters_of_records ON dead_letters (topic, partition, offset) WHERE delivery = '';
CREATE INDEX files_due ON files (due_at, file_id) WHERE due_at > 0;
COMMIT;
