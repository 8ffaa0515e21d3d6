//! Forged access tokens: of every kind that one can think of, a million of them, and none is accepted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use fungible::{KeyOptions, KeyRing, TokenOptions, Tokens, params};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use test_basics::Random;

use crate::support::Engine;
use crate::tokens::{Instance, SECRET, secret};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A real token and what it consists of, with the keys that only instances have: so that also what a rightful key has
/// signed is refused when it is not what we sign.
struct Forge {
    instance: Instance,
    token: String,
    /// The claims of the token.
    claims: Value,
    /// The numbers of two keys of the ring, and their bytes.
    keys: [(u32, Vec<u8>); 2],
}

impl Forge {
    async fn new(engine: &Engine) -> Forge {
        let first = Instance::new(engine).await;
        // A second key, at once.
        let at_once = KeyOptions::default().period(Duration::ZERO).lead(Duration::ZERO);
        KeyRing::open(first.store.clone(), &secret(), at_once).await.unwrap();
        let instance = Instance::new(engine).await;
        let issued = instance.tokens.start(&instance.ann().await).await.unwrap();
        let token = issued.access_token;
        let claims = serde_json::from_str(&text(token.split('.').nth(1).unwrap())).unwrap();
        let keys = [(1, ring_key(&instance, 1).await), (2, ring_key(&instance, 2).await)];
        Forge { instance, token, claims, keys }
    }

    /// A token with this head and these claims under the key of the ring that signs access tokens.
    fn rightly_signed(&self, which: usize, head: &str, claims: &str) -> String {
        signed(head, claims, &mac(&self.keys[which].1, b"fungible access token"))
    }

    /// The same with the head that is ours.
    fn with_claims(&self, which: usize, claims: &str) -> String {
        self.rightly_signed(which, &head(self.keys[which].0), claims)
    }

    /// The claims with one of them changed.
    fn claims_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        claims.to_string()
    }

    /// The claims with one of them given twice.
    fn claims_twice(&self, name: &str, other: &Value) -> [String; 2] {
        let claims = self.claims.to_string();
        let inside = claims.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
        [format!("{{\"{name}\":{other},{inside}}}"), format!("{{{inside},\"{name}\":{other}}}")]
    }

    /// Keys that somebody may take for ours.
    fn wrong_keys(&self) -> Vec<Vec<u8>> {
        let raw = STANDARD.decode(SECRET).unwrap();
        let ring = &self.keys[0].1;
        let public =
            [b"".to_vec(), b"secret".to_vec(), vec![0; 32], head(1).into_bytes(), self.token.clone().into_bytes()];
        let ours = [
            // The secret itself, a key of the ring itself, and what is derived from them for other purposes.
            raw,
            SECRET.as_bytes().to_vec(),
            ring.clone(),
            mac(ring, b"seal fungible access token"),
            mac(ring, b"seal shop cart"),
            secret().keyed_hash("fungible key ring", b"").to_vec(),
            secret().keyed_hash("fungible access token", b"").to_vec(),
        ];
        public.into_iter().chain(ours).collect()
    }

    async fn takes(&self, token: &str) -> bool {
        self.instance.tokens.claims(token).await.unwrap().is_some()
    }

    async fn refuses(&self, forged: &str) {
        assert!(!self.takes(forged).await, "accepted: {forged}");
    }
}

/// The head that we write for a key.
fn head(id: u32) -> String {
    format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{id}"}}"#)
}

fn text(part: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(data).finalize().into_bytes().to_vec()
}

fn signed(head: &str, claims: &str, key: &[u8]) -> String {
    let data = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    format!("{data}.{}", URL_SAFE_NO_PAD.encode(mac(key, data.as_bytes())))
}

/// A key of the ring, as an instance unwraps it.
async fn ring_key(instance: &Instance, id: u32) -> Vec<u8> {
    let row = instance.store.get("SELECT wrapped FROM fungible_keys WHERE id = $1", params![id]).await.unwrap();
    let wrapped: Vec<u8> = row.unwrap().get("wrapped").unwrap();
    let (nonce, sealed) = wrapped.split_first_chunk::<24>().unwrap();
    let cipher = XChaCha20Poly1305::new(&secret().keyed_hash("fungible key ring", b"").into());
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &id.to_be_bytes() }).unwrap()
}

/// Heads that are not ours for the key with this number.
fn wrong_heads(id: u32) -> Vec<String> {
    [
        r#"{"alg":"none"}"#,
        r#"{"alg":"none","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"None","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"nOnE","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"HS384","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"RS256","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"HS256","alg":"none","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"ID"}"#,
        r#"{"alg":"HS256","kid":"ID"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":ID}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"0ID"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"+ID"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"-ID"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"ID "}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":""}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"99"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"4294967296"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"' OR 1=1 --"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"ID","kid":"ID"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"ID","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"ID","jwk":{"kty":"oct","k":""}}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"ID","jku":"https://evil.example/keys"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"ID","x5u":"https://evil.example/cert"}"#,
        r#"{"typ":"at+jwt","alg":"HS256","kid":"ID"}"#,
        r#" {"alg":"HS256","typ":"at+jwt","kid":"ID"}"#,
        r#"{"alg":"HS256", "typ":"at+jwt","kid":"ID"}"#,
        "",
        "null",
    ]
    .map(|head| head.replace("ID", &id.to_string()))
    .into()
}

#[tokio::test]
async fn what_is_not_ours_is_refused_also_under_a_rightful_key() {
    let engine = Engine::sqlite();
    let forge = Forge::new(&engine).await;
    let claims = forge.claims.to_string();
    assert!(forge.takes(&forge.token).await);
    for which in [0, 1] {
        let id = forge.keys[which].0;
        assert!(forge.takes(&forge.with_claims(which, &claims)).await, "this test signs as we do");
        // `none`, and whatever else a head may say.
        for wrong in wrong_heads(id) {
            forge.refuses(&forge.rightly_signed(which, &wrong, &claims)).await;
            forge.refuses(&format!("{}.{}.", URL_SAFE_NO_PAD.encode(&wrong), URL_SAFE_NO_PAD.encode(&claims))).await;
            forge.refuses(&format!("{}.{}", URL_SAFE_NO_PAD.encode(&wrong), URL_SAFE_NO_PAD.encode(&claims))).await;
        }
        // Another key's number, and keys that are for something else.
        forge.refuses(&forge.rightly_signed(1 - which, &head(id), &claims)).await;
        for key in forge.wrong_keys() {
            forge.refuses(&signed(&head(id), &claims, &key)).await;
        }
    }
    // For somebody else.
    for audience in
        [json!("bank"), json!(""), json!("Shop"), json!("shop "), json!(["shop"]), json!(["bank", "shop"]), json!(null)]
    {
        forge.refuses(&forge.with_claims(0, &forge.claims_with("aud", audience))).await;
    }
    let bank = Tokens::new(
        forge.instance.store.clone(),
        KeyRing::open(forge.instance.store.clone(), &secret(), KeyOptions::default()).await.unwrap(),
        secret(),
        TokenOptions::default().audience("bank"),
    );
    let issued = bank.start(&forge.instance.ann().await).await.unwrap();
    forge.refuses(&issued.access_token).await;
    assert!(bank.claims(&issued.access_token).await.unwrap().is_some());
    forge.refuses(&issued.refresh_token).await;
    // A claim that comes twice, with the same value or another, in front or behind; one that is missing or not known.
    for name in ["aud", "sub", "name", "sid", "iat", "exp"] {
        for other in [forge.claims[name].clone(), json!("shop"), json!(0), json!(null)] {
            for twice in forge.claims_twice(name, &other) {
                forge.refuses(&forge.with_claims(0, &twice)).await;
            }
        }
        let mut without = forge.claims.clone();
        without.as_object_mut().unwrap().remove(name);
        forge.refuses(&forge.with_claims(0, &without.to_string())).await;
    }
    for name in ["nbf", "admin", "Aud", ""] {
        forge.refuses(&forge.with_claims(0, &forge.claims_with(name, json!(1)))).await;
    }
    // Before and after its time, or for a time that is none.
    let now = forge.claims["iat"].as_i64().unwrap();
    for end in [
        json!(now - 31),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!("9999999999"),
        json!(9_999_999_999.5),
        json!(null),
    ] {
        forge.refuses(&forge.with_claims(0, &forge.claims_with("exp", end))).await;
    }
    for begin in [json!(now + 3600), json!(i64::MAX)] {
        forge.refuses(&forge.with_claims(0, &forge.claims_with("iat", begin))).await;
    }
    // Other claims than an object of ours.
    for wrong in
        ["", "null", "[]", "{}", "{", &format!("{claims}{claims}"), &format!("{claims},"), &format!("[{claims}]")]
    {
        forge.refuses(&forge.with_claims(0, wrong)).await;
    }
}

#[tokio::test]
async fn what_is_written_in_another_way_is_refused() {
    let engine = Engine::sqlite();
    let forge = Forge::new(&engine).await;
    let token = &forge.token;
    let [head, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for forged in [
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!("{head}.{claims}.{signature}.{signature}"),
        token.replace('.', ".."),
        format!("{head}.{claims}.{}", STANDARD.encode(&bytes)),
        format!("{head}.{claims}.{}", URL_SAFE.encode(&bytes)),
        format!("{head}.{}.{signature}", URL_SAFE.encode(text(claims))),
        format!("{}.{claims}.{signature}", URL_SAFE.encode(text(head))),
        format!("{head}.{}.{signature}", text(claims)),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}\0"),
        token.to_uppercase(),
        String::new(),
        "..".to_owned(),
        "a".repeat(100_000),
    ] {
        forge.refuses(&forged).await;
    }
    // The last letter of a signature has bits to spare: another letter with the same bytes is refused too.
    let last = *token.as_bytes().last().unwrap();
    for letter in ALPHABET.iter().filter(|letter| **letter != last) {
        forge.refuses(&format!("{}{}", &token[..token.len() - 1], char::from(*letter))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_forged_tokens_are_refused() {
    let engine = Engine::sqlite();
    let forge = Forge::new(&engine).await;
    let (token, claims) = (forge.token.clone(), forge.claims.to_string());
    let (wrong_keys, wrong_heads) = (forge.wrong_keys(), wrong_heads(1));
    let mut random = Random::new();
    let mut bytes = token.clone().into_bytes();
    let mut with = |at: usize, letter: u8| {
        let before = std::mem::replace(&mut bytes[at], letter);
        let forged = String::from_utf8_lossy(&bytes).into_owned();
        bytes[at] = before;
        forged
    };
    for nth in 0..1_000_000 {
        let at = random.below(token.len());
        let forged = match nth % 10 {
            // A bit somewhere, a letter somewhere, one that no base64 of ours has.
            0 | 1 => with(at, token.as_bytes()[at] ^ (1 << random.below(8))),
            2 => with(at, ALPHABET[random.below(64)]),
            3 => with(at, b"=+/ .,~%\n\0"[random.below(10)]),
            // An end that is missing, a piece that is missing or comes twice.
            4 => token[..at].to_owned(),
            5 => format!("{}{}", &token[..at], &token[random.below(token.len())..]),
            // `none` and other heads, without a signature or with one of any key.
            6 => {
                let head = &wrong_heads[random.below(wrong_heads.len())];
                match random.below(3) {
                    0 => format!("{}.{}.", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(&claims)),
                    1 => signed(head, &claims, &wrong_keys[random.below(wrong_keys.len())]),
                    _ => forge.rightly_signed(random.below(2), head, &claims),
                }
            }
            // A key for something else, or another one than the head names.
            7 if random.below(2) == 0 => signed(&head(1), &claims, &wrong_keys[random.below(wrong_keys.len())]),
            7 => {
                let which = random.below(2);
                forge.rightly_signed(1 - which, &head(forge.keys[which].0), &claims)
            }
            // Signed by us, and for somebody else.
            8 => {
                let letters = (0..random.below(8)).map(|_| char::from(ALPHABET[random.below(64)]));
                let audience = format!("shop{}", letters.collect::<String>());
                let audience = if audience == "shop" { "hops".to_owned() } else { audience };
                forge.with_claims(random.below(2), &forge.claims_with("aud", json!(audience)))
            }
            // Signed by us, with a claim that comes twice.
            _ => {
                let name = ["aud", "sub", "name", "sid", "iat", "exp"][random.below(6)];
                let twice = forge.claims_twice(name, &forge.claims[name].clone());
                forge.with_claims(random.below(2), &twice[random.below(2)])
            }
        };
        // By chance it may be the real one.
        if forged != token {
            forge.refuses(&forged).await;
        }
    }
    assert!(forge.takes(&token).await);
}
