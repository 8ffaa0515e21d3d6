//! Certificates that change while the fleet runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use test_basics::eventually_async;

use super::listeners::run;
use super::{Files, Http2Client, connect, http1, issue, trusting};
use crate::world::{Place, program};

/// Makes `link` lead to `target`, in one step.
fn swap(link: &Path, target: &Path) {
    let new = link.with_file_name("new-link");
    symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}

/// Waits until new connections get this certificate.
async fn serves(to: std::net::SocketAddr, all: &[&str], expected: &Files) {
    let config = trusting(all, &["h2"]);
    let expected = CertificateDer::from_pem_slice(expected.pem.as_bytes()).unwrap();
    eventually_async("the new certificate", async || {
        let stream = connect(to, &config, "a.example").await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0] == expected
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_certificates_are_served_without_a_failed_request() {
    let place = Place::new();
    let folder = place.folder.path();
    let all: Vec<Files> = ["v1", "v2", "v3", "v4"].map(|name| issue(folder, name, &["a.example"])).into();
    let pems: Vec<&str> = all.iter().map(|files| files.pem.as_str()).collect();
    // As Kubernetes mounts a secret: the files are links through a folder that is itself a link.
    for version in &all[..2] {
        let name = version.certificate.file_stem().unwrap();
        let data = folder.join("data").join(name);
        fs::create_dir_all(&data).unwrap();
        fs::copy(&version.certificate, data.join("tls.crt")).unwrap();
        fs::copy(&version.key, data.join("tls.key")).unwrap();
    }
    symlink("data/v1", folder.join("..data")).unwrap();
    symlink("..data/tls.crt", folder.join("tls.crt")).unwrap();
    symlink("..data/tls.key", folder.join("tls.key")).unwrap();
    let echo = program("echo.py");
    let fleet = place.fleet(&run(&["--tls-cert", "tls.crt", "--tls-key", "tls.key"], &echo));
    fleet.healthy(2);
    let (to, stop) = (fleet.address, Arc::new(AtomicBool::new(false)));
    let mut clients = Vec::new();
    for protocol in ["h2", "http/1.1"] {
        let (config, stop) = (trusting(&pems, &[protocol]), Arc::clone(&stop));
        clients.push(tokio::spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                let stream = connect(to, &config, "a.example").await.unwrap();
                if stream.get_ref().1.alpn_protocol() == Some(b"http/1.1") {
                    let request = "GET /echo HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
                    assert!(http1(stream, request).await.starts_with("HTTP/1.1 200"));
                }
                count += 1;
            }
            count
        }));
    }
    let mut old = Http2Client::connect(to, &all[0].pem, "a.example").await;
    swap(&folder.join("..data"), Path::new("data/v2"));
    serves(to, &pems, &all[1]).await;
    // As certbot: each file is a link of its own.
    swap(&folder.join("tls.crt"), &all[2].certificate);
    swap(&folder.join("tls.key"), &all[2].key);
    serves(to, &pems, &all[2]).await;

    // What cannot be used is reported once, and changes nothing.
    swap(&folder.join("tls.crt"), &all[3].certificate);
    eventually_async("the warning", async || fleet.said().contains("the new certificates are not used")).await;
    assert!(fleet.said().contains("tls.key does not belong to the first certificate in tls.crt"), "{}", fleet.said());
    serves(to, &pems, &all[2]).await;
    fs::remove_file(folder.join("tls.key")).unwrap();
    eventually_async("another warning", async || fleet.said().contains("cannot read tls.key")).await;
    fs::copy(&all[3].key, folder.join("tls.key")).unwrap();
    serves(to, &pems, &all[3]).await;
    assert_eq!(fleet.said().matches("are not used").count(), 2, "{}", fleet.said());
    assert_eq!(old.get("/echo").await.unwrap().0, 200, "a connection that was open goes on");

    stop.store(true, Ordering::SeqCst);
    for client in clients {
        let count: usize = client.await.unwrap();
        assert!(count > 10, "{count}");
    }
}
