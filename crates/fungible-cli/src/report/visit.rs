//! Visits every text and every exchange of a verdict that a report may show.

use crate::exchange::Exchange;
use crate::prove::{Deviation, Judgement, Loss, Resent, Verdict};

/// Calls `visit` with the place and the text of every text outside of exchanges; the place may be empty.
pub(super) fn each_text<'a>(verdict: &'a Verdict, visit: &mut impl FnMut(&'a str, &'a str)) {
    let covered = &verdict.covered;
    let attacks = covered.attacks.iter().map(|one| &one.covers);
    let plain = [&verdict.command, &verdict.drive].into_iter().chain(attacks);
    plain.chain(&covered.not_covered).chain(&covered.notes).for_each(|text| visit("", text));
    for one in &covered.losses {
        if let Loss::Noticed { place, .. } = &one.loss {
            visit("", place);
        }
    }
    for one in &covered.resends {
        if let Resent::DoneTwice { place, .. } | Resent::HalfDone { place, .. } = &one.resent {
            visit("", place);
        }
    }
    verdict.driver_lines.iter().chain(&verdict.app_lines).for_each(|line| visit("", line));
    for one in &verdict.ignored {
        visit("", &one.place);
        visit("", &one.reason);
    }
    for (place, values) in &verdict.labels {
        visit("", place);
        for value in values {
            visit(place, value);
        }
    }
    for (place, compared) in &verdict.masks {
        visit("", place);
        visit("", compared);
    }
    for (baseline, attack) in &verdict.renaming {
        visit("", baseline);
        visit("", attack);
    }
    let mut differences: Vec<&Deviation> = Vec::new();
    match &verdict.judgement {
        Judgement::Fungible => {}
        Judgement::NotShown(reasons) => reasons.iter().for_each(|reason| visit("", reason)),
        Judgement::NotFungible(findings) => {
            for finding in findings {
                visit("", &finding.attack);
                finding.files.iter().filter_map(|file| file.to_str()).for_each(|file| visit("", file));
                finding.ended.iter().chain(&finding.last_lines).for_each(|line| visit("", line));
                differences.extend(&finding.deviations);
            }
        }
    }
    for one in &verdict.not_judged {
        visit("", &one.why);
        one.ended.iter().chain(&one.last_lines).for_each(|line| visit("", line));
        differences.extend(&one.deviations);
    }
    for one in differences {
        visit("", &one.place);
        visit(&one.place, &one.baseline);
        visit(&one.place, &one.attack);
    }
}

/// Calls `visit` with every exchange of the verdict.
pub(super) fn each_exchange(verdict: &Verdict, visit: &mut impl FnMut(&Exchange)) {
    if let Judgement::NotFungible(findings) = &verdict.judgement {
        for finding in findings {
            let ends = finding.writers.iter().chain([&finding.reader]).chain(&finding.polled);
            let ends = ends.chain(&finding.seen_at).chain(&finding.also);
            ends.chain(&finding.failing).chain(&finding.sound).for_each(|step| visit(&step.exchange));
        }
    }
    for one in &verdict.covered.losses {
        visit(&one.write.exchange);
        if let Loss::Noticed { reader, .. } = &one.loss {
            visit(&reader.exchange);
        }
    }
    for one in &verdict.covered.resends {
        visit(&one.request.exchange);
        if let Resent::DoneTwice { seen_at, .. } | Resent::HalfDone { seen_at, .. } = &one.resent {
            visit(&seen_at.exchange);
        }
    }
    verdict.not_judged.iter().for_each(|one| visit(&one.step.exchange));
}
