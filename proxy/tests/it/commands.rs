//! The program from its command line: import, export, backup. What came over serves calls.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use sim::Flavor;
use store::{KeySource, Store};
use tempfile::TempDir;

use crate::process::{Process, run, sql, text};
use crate::scene::{Ground, KEY, Scene, answer, chat, client, provider};

/// A database of the original in `folder`, with one endpoint at `url`.
fn original(folder: &Path, url: &str) -> String {
    let path = folder.join("original.db");
    let schema = include_str!("../../../shared/store/tests/originals/vl.sql");
    // printf %s spk_of_before | sha256sum
    let rows = format!(
        "
         {schema}
         INSERT INTO endpoints (id, name, url, api_key, endpoint_type) VALUES
             (20, 'there', '{url}', '{KEY}', 'vllm');
         INSERT INTO virtual_models (id, name, endpoint_id, actual_model, max_tokens, top_p)
             VALUES (20, 'known', 20, 'sim-model', 0, 1.0);
         INSERT INTO inbound_api_keys (label, key_prefix, key_hash) VALUES
             ('before', 'spk_of_befor', '{}');
         INSERT INTO settings (key, value) VALUES ('trusted_internal_cidrs', 'none');
         UPDATE settings SET value = 'internet_facing' WHERE key = 'deployment_mode';",
        digest("spk_of_before")
    );
    sql(&path, &rows);
    path.display().to_string()
}

fn digest(key: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn good(output: &Output) -> String {
    let said = text(output);
    assert!(output.status.success(), "{said}");
    said
}

fn refused(output: &Output) -> String {
    let said = text(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[tokio::test]
async fn what_the_original_had_serves_calls_with_its_callers_keys() {
    let sim = provider(Flavor::Vllm).await;
    let folder = TempDir::new().unwrap();
    let from = original(folder.path(), &sim.base_url());
    let said = good(&run(folder.path(), &[], &["import", "--from", &from]));
    for word in [
        "endpoint \"there\"",
        "virtual model \"known\"",
        "key \"before\"",
        "openai_oauth",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains(KEY), "{said}");

    let gateway = Process::gateway(folder.path(), &[]).await;
    let mut body = chat("say=ok", &json!({}));
    body["model"] = json!("known");
    let call = |key: &str| {
        let request = client().post(format!("{}/v1/chat/completions", gateway.base));
        request.bearer_auth(key).json(&body)
    };
    assert_eq!(answer(call("spk_of_before")).await.status, 200);
    assert_eq!(answer(call("spk_of_nobody")).await.status, 401);
}

#[tokio::test]
async fn what_litellm_had_serves_calls_with_its_master_key() {
    let sim = provider(Flavor::OpenAi).await;
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    let yaml = format!(
        "model_list:\n\
         \x20 - model_name: small\n\
         \x20   litellm_params:\n\
         \x20     model: openai/sim-model\n\
         \x20     api_base: {}\n\
         \x20     api_key: os.environ/SIM_KEY\n\
         router_settings:\n\
         \x20 model_group_alias: {{tiny: small}}\n\
         general_settings:\n\
         \x20 master_key: sk-1234\n",
        sim.base_url()
    );
    fs::write(&config, yaml).unwrap();
    let env = [("SIM_KEY", KEY)];
    let from = config.display().to_string();
    let said = good(&run(folder.path(), &env, &["import", "--from", &from]));
    assert!(!said.contains(KEY) && !said.contains("sk-1234"), "{said}");

    let facing = [
        ("DEPLOYMENT_MODE", "internet_facing"),
        ("TRUSTED_INTERNAL_CIDRS", "none"),
    ];
    let gateway = Process::gateway(folder.path(), &facing).await;
    for model in ["small", "tiny"] {
        let mut body = chat("say=ok", &json!({}));
        body["model"] = json!(model);
        let request = client().post(format!("{}/v1/chat/completions", gateway.base));
        let got = answer(request.bearer_auth("sk-1234").json(&body)).await;
        assert_eq!(got.status, 200, "{model}");
    }
    // So short a key is not shown by a part of itself that tells it.
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    assert_eq!(store.inbound_keys().unwrap()[0].key_prefix, "sk");
}

#[test]
fn a_trial_changes_nothing_and_tells_the_same() {
    let folder = TempDir::new().unwrap();
    let from = original(folder.path(), "http://127.0.0.1:1");
    let arguments = ["import", "--from", &from, "--json"];
    let trial = [&arguments[..], &["--dry-run"]].concat();
    let report = |output: &Output| -> Value {
        assert!(output.status.success(), "{}", text(output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let tried = report(&run(folder.path(), &[], &trial));
    assert!(!folder.path().join("proxy.db").exists());
    // And over a store that is there.
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let revision = store.revision().unwrap();
    let again = report(&run(folder.path(), &[], &trial));
    assert_eq!(again, tried);
    assert_eq!(store.revision().unwrap(), revision);

    let mut done = report(&run(folder.path(), &[], &arguments));
    assert_eq!(done["dry_run"], false);
    done["dry_run"] = json!(true);
    assert_eq!(done, tried);
    let why = refused(&run(folder.path(), &[], &arguments));
    for word in ["there already", "\"known\"", "--existing skip"] {
        assert!(why.contains(word), "{word}: {why}");
    }
    let skip = [&arguments[..], &["--existing", "skip"]].concat();
    assert_eq!(report(&run(folder.path(), &[], &skip))["created"], 0);
    let everything = store::AuditQuery {
        limit: 1000,
        ..store::AuditQuery::default()
    };
    let (who, _) = store.audit(&everything).unwrap();
    assert!(who.iter().all(|row| row.user == "command line"), "{who:?}");
    assert!(!who.is_empty());
}

#[tokio::test]
async fn a_configuration_goes_out_and_comes_in_the_same() {
    let scene = Scene::model(json!({"custom_headers": {"X-Token": "header-secret"}})).await;
    let folder = scene.ground.folder.path();
    let file = |name: &str| folder.join(name).display().to_string();
    let (json, yaml, whole) = (file("a.json"), file("a.yaml"), file("whole.yaml"));
    for path in [&json, &yaml] {
        good(&run(folder, &[], &["export", "--to", path]));
        let text = fs::read_to_string(path).unwrap();
        assert!(
            !text.contains(KEY) && !text.contains("header-secret"),
            "{text}"
        );
        let why = refused(&run(folder, &[], &["export", "--to", path]));
        assert!(why.contains("there already"), "{why}");
    }
    good(&run(
        folder,
        &[],
        &["export", "--to", &whole, "--with-secrets"],
    ));
    assert!(fs::read_to_string(&whole).unwrap().contains(KEY));
    assert_eq!(
        fs::metadata(&whole).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let printed = run(folder, &[], &["export"]);
    assert_eq!(
        String::from_utf8_lossy(&printed.stdout),
        fs::read_to_string(&json).unwrap()
    );

    for from in [&json, &yaml, &whole] {
        let other = Ground::new();
        let path = other.folder.path();
        good(&run(path, &[], &["import", "--from", from]));
        let out = path.join("out.json").display().to_string();
        good(&run(path, &[], &["export", "--to", &out]));
        let mut came: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
        let sent: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
        if from != &whole {
            // Without a secret there is nothing that the mask could stand for.
            came["virtual_models"][0]["custom_headers"] = json!({"X-Token": "***"});
        }
        assert_eq!(came, sent, "{from}");
        let again = ["import", "--from", from, "--existing", "refuse"];
        let why = refused(&run(path, &[], &again));
        assert!(why.contains("is there already"), "{why}");
        let skip = ["import", "--from", from, "--existing", "skip", "--json"];
        let said: Value = serde_json::from_slice(&run(path, &[], &skip).stdout).unwrap();
        assert_eq!((&said["created"], &said["changed"]), (&json!(0), &json!(0)));
    }

    // With secrets in it, it serves calls on another machine.
    let other = Ground::new();
    good(&run(
        other.folder.path(),
        &[],
        &["import", "--from", &whole],
    ));
    let gateway = Process::gateway(other.folder.path(), &[]).await;
    let request = client().post(format!("{}/v1/chat/completions", gateway.base));
    assert_eq!(
        answer(request.json(&chat("say=ok", &json!({}))))
            .await
            .status,
        200
    );
}

#[test]
fn a_document_with_faults_changes_nothing() {
    let ground = Ground::new();
    let path = ground.folder.path().join("bad.yaml");
    let yaml = "format: serverless-proxy configuration\nversion: 1\nendpoints:\n\
                - {name: good, url: 'http://h'}\n- {name: bad, url: nowhere}\n";
    fs::write(&path, yaml).unwrap();
    let from = path.display().to_string();
    let why = refused(&run(
        ground.folder.path(),
        &[],
        &["import", "--from", &from],
    ));
    assert!(why.contains("endpoints[1].url"), "{why}");
    assert_eq!(ground.store.endpoints().unwrap(), []);
    let gone = ground.folder.path().join("gone.yaml").display().to_string();
    let why = refused(&run(
        ground.folder.path(),
        &[],
        &["import", "--from", &gone],
    ));
    assert!(why.contains("cannot be read"), "{why}");
}

#[tokio::test]
async fn a_backup_made_while_calls_come_in_is_whole_and_opens() {
    let scene = Scene::start().await;
    let folder = scene.ground.folder.path();
    scene.chat("say=ok", json!({})).await;
    scene.ground.row().await;
    let path = folder.join("copy.db");
    let to = path.display().to_string();
    let calls = async {
        for _ in 0..20 {
            scene.chat("say=ok", json!({})).await;
        }
    };
    let (to_run, from) = (to.clone(), folder.to_path_buf());
    let backup = tokio::task::spawn_blocking(move || run(&from, &[], &["backup", &to_run]));
    let ((), made) = tokio::join!(calls, backup);
    let said = good(&made.unwrap());
    assert!(said.contains("proxy.db.key"), "{said}");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let bytes = fs::read(&path).unwrap();
    assert!(
        !bytes
            .windows(KEY.len())
            .any(|window| window == KEY.as_bytes())
    );

    let why = refused(&run(folder, &[], &["backup", &to]));
    assert!(why.contains("there already"), "{why}");
    assert_eq!(fs::read(&path).unwrap(), bytes);

    // With the key file beside it, it is the store.
    fs::copy(folder.join("proxy.db.key"), folder.join("copy.db.key")).unwrap();
    let copy = Store::open_with_keys(&path, &KeySource::default()).unwrap();
    let endpoint = copy.endpoint(scene.endpoint).unwrap();
    assert_eq!(endpoint.api_key.unwrap().expose(), KEY);
    assert!(copy.count_calls().unwrap() >= 1);

    // A folder gets a file named after the time.
    let into = folder.join("backups");
    fs::create_dir(&into).unwrap();
    good(&run(folder, &[], &["backup", &into.display().to_string()]));
    let made = fs::read_dir(&into).unwrap().next().unwrap().unwrap();
    let name = made.file_name().to_string_lossy().into_owned();
    assert!(
        name.starts_with("proxy-20") && name.ends_with("Z.db"),
        "{name}"
    );
}

#[test]
fn without_a_store_there_is_nothing_to_copy_or_to_write_out() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["backup", "copy.db"][..], &["export"]] {
        let why = refused(&run(folder.path(), &[], arguments));
        assert!(why.contains("DATABASE_PATH"), "{why}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
