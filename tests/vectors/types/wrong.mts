import { Keyring, verify } from "@amply/checkpoint-verify";

void verify({ checkpoint_id: "a" }, "{}");
void verify("{}", { keys: [] });
void verify("{}", "{}", { pin: 7 });
void new Keyring();
