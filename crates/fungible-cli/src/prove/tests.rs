//! The whole judge held against recorded proofs: each folder in tests/journals says in its expected.json what the verdict is.

use std::path::Path;

use serde::Deserialize;

use super::verdict::{Judgement, Step, Verdict};
use super::{Archive, Lab, prove};

/// What a verdict must say.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Expected {
    verdict: String,
    #[serde(default)]
    findings: Vec<ExpectedFinding>,
    #[serde(default)]
    reasons: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct ExpectedFinding {
    kind: String,
    writers: Vec<String>,
    reader: String,
    #[serde(default)]
    seen_at: Option<String>,
    /// The places that deviate.
    places: Vec<String>,
}

#[test]
fn recorded_proofs_are_judged_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let mut folders: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(!folders.is_empty(), "{}", folder.display());
    for folder in folders {
        let expected: Expected =
            serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
        assert_eq!(said(&judged(&folder)), expected, "{}", folder.display());
    }
}

fn judged(folder: &Path) -> Verdict {
    let archive = Archive::read(folder).unwrap();
    let plan = archive.plan();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(prove(&mut Lab::recorded(&plan, archive))).unwrap()
}

fn said(verdict: &Verdict) -> Expected {
    let request = |step: &Step| format!("#{} {}", step.number, step.exchange.request.name());
    let (word, findings, reasons) = match &verdict.judgement {
        Judgement::Fungible => ("FUNGIBLE", &[][..], &[][..]),
        Judgement::NotFungible(findings) => ("NOT FUNGIBLE", &findings[..], &[][..]),
        Judgement::NotShown(reasons) => ("NOT SHOWN", &[][..], &reasons[..]),
    };
    let findings = findings.iter().map(|finding| ExpectedFinding {
        kind: format!("{:?}", finding.kind),
        writers: finding.writers.iter().map(request).collect(),
        reader: request(&finding.reader),
        seen_at: finding.seen_at.as_ref().map(request),
        places: finding.deviations.iter().map(|one| one.place.clone()).collect(),
    });
    Expected { verdict: word.to_owned(), findings: findings.collect(), reasons: reasons.to_vec() }
}
