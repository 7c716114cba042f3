use super::*;

#[track_caller]
fn check(header: &str, expect: Option<Credentials>) {
    assert_eq!(decode(header.as_bytes()).and_then(credentials), expect, "{header}");
}

#[test]
fn accounts_are_read_as_clients_send_them() {
    let alice = || Credentials::Password { username: "alice".into(), password: "~~~???".into() };
    // `{"username":"alice","password":"~~~???"}`, in both alphabets, with and without padding.
    check("eyJ1c2VybmFtZSI6ImFsaWNlIiwicGFzc3dvcmQiOiJ-fn4_Pz8ifQ==", Some(alice()));
    check("eyJ1c2VybmFtZSI6ImFsaWNlIiwicGFzc3dvcmQiOiJ-fn4_Pz8ifQ", Some(alice()));
    check("eyJ1c2VybmFtZSI6ImFsaWNlIiwicGFzc3dvcmQiOiJ+fn4/Pz8ifQ==", Some(alice()));
    for nobody in ["", "e30=", "e30", "bnVsbA==", "%%%", "W10="] {
        check(nobody, None);
    }
    // `{"auth":"YWxpY2U6fn5+Pz8/"}`
    check("eyJhdXRoIjoiWVd4cFkyVTZmbjUrUHo4LyJ9", Some(alice()));
    // `{"username":"alice","identitytoken":"t"}`
    let token = Credentials::IdentityToken { username: "alice".into(), token: "t".into() };
    check("eyJ1c2VybmFtZSI6ImFsaWNlIiwiaWRlbnRpdHl0b2tlbiI6InQifQ==", Some(token));
    // `{"registrytoken":"t"}`
    check("eyJyZWdpc3RyeXRva2VuIjoidCJ9", Some(Credentials::RegistryToken { token: "t".into() }));
}
