//! Sessions of the admin app: their tokens change, and they end by themselves.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use store::{AdminRole, AdminSession, Login, NewAdminUser, Origin, Secret, Store};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

struct Stage {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("proxy.db")).unwrap();
        for (name, role) in [("ada", AdminRole::Admin), ("vic", AdminRole::Viewer)] {
            let user = NewAdminUser::check(name, &password(), role).unwrap();
            store.create_admin_user(&user).unwrap();
        }
        Self {
            store,
            _folder: folder,
        }
    }

    /// The token of a session that begins at second 0.
    fn log_in(&self, name: &str) -> Secret {
        let login = self.store.log_in(name, &password(), &Origin::default(), 0);
        let Login::Begun(session) = login.unwrap() else {
            unreachable!("the password is right");
        };
        session.token.unwrap()
    }

    fn find(&self, token: &Secret, now: i64) -> Option<AdminSession> {
        let found = self.store.admin_session(token, &Origin::default(), now);
        found.unwrap()
    }
}

fn password() -> Secret {
    Secret::new("correct horse battery")
}

#[test]
fn a_token_is_changed_every_hour_and_the_one_before_ends_soon() {
    let stage = Stage::new();
    let first = stage.log_in("ada");
    let young = stage.find(&first, HOUR - 1).unwrap();
    assert!(young.token.is_none(), "nothing changes within the hour");
    let turned = stage.find(&first, HOUR).unwrap();
    let second = turned.token.unwrap();
    assert_eq!(turned.id, young.id);
    assert_ne!(second.expose(), first.expose());
    // Requests that were on their way with the first one; they get no third.
    let late = stage.find(&first, HOUR + 59).unwrap();
    assert!(late.token.is_none());
    assert!(stage.find(&first, HOUR + 60).is_none());
    assert!(stage.find(&second, HOUR + 60).unwrap().token.is_none());
    let third = stage.find(&second, 2 * HOUR).unwrap().token.unwrap();
    assert!(stage.find(&third, 2 * HOUR + 61).is_some());
    assert!(stage.find(&second, 2 * HOUR + 61).is_none());
}

#[test]
fn a_session_ends_by_rest_by_age_and_by_hand() {
    let stage = Stage::new();
    let unused = stage.log_in("ada");
    assert!(stage.find(&unused, DAY).is_none(), "unused for a day");
    let mut token = stage.log_in("ada");
    let mut now = 0;
    while now < 7 * DAY {
        let session = stage.find(&token, now).unwrap();
        token = session.token.unwrap_or(token);
        now += HOUR / 2;
    }
    assert!(stage.find(&token, now).is_none(), "a week old");
    let token = stage.log_in("ada");
    let session = stage.find(&token, 1).unwrap();
    stage.store.log_out(session.id).unwrap();
    assert!(stage.find(&token, 1).is_none());
}

#[test]
fn whoever_is_switched_off_or_deleted_has_no_session() {
    let stage = Stage::new();
    let token = stage.log_in("vic");
    let session = stage.find(&token, 1).unwrap();
    assert_eq!(
        (session.user.as_str(), session.role),
        ("vic", AdminRole::Viewer)
    );
    let (id, store) = (session.user_id, &stage.store);
    let role = AdminRole::Viewer;
    store.change_admin_user(id, role, false).unwrap();
    assert!(stage.find(&token, 1).is_none());
    let refused = store.log_in("vic", &password(), &Origin::default(), 1);
    assert!(matches!(refused.unwrap(), Login::Refused));
    store.change_admin_user(id, role, true).unwrap();
    assert!(stage.find(&token, 1).is_none(), "it does not come back");
    let token = stage.log_in("vic");
    store.delete_admin_user(id).unwrap();
    assert!(stage.find(&token, 1).is_none());
}
