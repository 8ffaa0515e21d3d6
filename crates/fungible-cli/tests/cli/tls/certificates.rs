//! Certificates of tests, in files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

/// The files of a certificate, and its text.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
}

impl Files {
    /// The arguments that name them.
    pub(crate) fn arguments(&self) -> [&str; 4] {
        ["--tls-cert", self.certificate.to_str().unwrap(), "--tls-key", self.key.to_str().unwrap()]
    }

    /// Writes a certificate and its key to these paths.
    fn write(folder: &Path, name: &str, params: &CertificateParams) -> Files {
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let (certificate, key_file) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&certificate, &pem).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        Files { certificate, key: key_file, pem, key_pem: key.serialize_pem() }
    }
}

/// Issues a certificate for these hosts, into files of this name.
pub(crate) fn issue(folder: &Path, name: &str, hosts: &[&str]) -> Files {
    issue_for_years(folder, name, hosts, 2020, 2120)
}

/// Issues a certificate that is valid from the first of these years to the second.
pub(crate) fn issue_for_years(folder: &Path, name: &str, hosts: &[&str], from: i32, to: i32) -> Files {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Files::write(folder, name, &params)
}
