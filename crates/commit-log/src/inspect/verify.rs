//! Whether what is there is what was written: every byte is read.

use common::Offset;

use super::{
    Inspector,
    look::Listing,
    report::{CheckedSegment, CheckpointState, Finding, FindingKind, IndexState, Verification},
};
use crate::{
    Files, Log, LogError, Recovered,
    batch::Batch,
    checkpoint::{CHECKPOINT_NAME, read_snapshot},
    error::{Damage, IndexError},
    log::SWAP_NAME,
    segment::{ScanEnd, Segment, file_name, parse_file_name},
};

/// Findings that are told one by one.
const FINDINGS_MAX: usize = 1_000;

impl Inspector {
    /// Reads every byte of every file, and tells what is not as it was written. Changes nothing.
    ///
    /// What counts as damage and what as the torn end of a crash is judged by the log's own recovery.
    ///
    /// # Errors
    /// If the disk fails. A log that cannot be opened is a finding.
    pub fn verify(&self) -> Result<Verification, LogError> {
        let listing = self.list()?;
        let mut verification = Verification {
            dir: self.dir.clone(),
            sound: true,
            log_start: Offset(0),
            log_end: Offset(0),
            segments: Vec::new(),
            findings: Vec::new(),
            findings_left_out: 0,
        };
        let holds_nothing =
            listing.segments.values().all(|sizes| sizes.log.unwrap_or(0) == 0) && !listing.has_checkpoint;
        if !holds_nothing {
            self.small_files(&listing, &mut verification)?;
            if listing.others.iter().all(|file| file.name != SWAP_NAME) {
                self.indexes(&listing, &mut verification)?;
            } else if let Ok(settled) = self.settled() {
                settled.indexes(&settled.list()?, &mut verification)?;
            }
            match self.open() {
                Ok((log, recovered)) => verification.log(&log, &recovered)?,
                Err(LogError::Disk(error)) => return Err(error.into()),
                Err(error) => {
                    verification.add(Finding::new(FindingKind::Unopenable, "", error.to_string()));
                }
            }
        }
        verification.findings.sort_by_key(|finding| !finding.damage);
        Ok(verification)
    }

    fn small_files(&self, listing: &Listing, verification: &mut Verification) -> Result<(), LogError> {
        let checkpoint = self.checkpoint(listing)?;
        let found = match checkpoint.state {
            CheckpointState::Missing => Some((FindingKind::Checkpoint, "it is missing")),
            CheckpointState::Damaged => Some((FindingKind::Checkpoint, "it is not what was written")),
            CheckpointState::Open => {
                Some((FindingKind::NotClosed, "the log is in use, or was not shut down"))
            }
            CheckpointState::Emptying => {
                Some((FindingKind::NotClosed, "the log was being emptied, no segment counts"))
            }
            CheckpointState::Clean => None,
        };
        if let Some((kind, detail)) = found {
            verification.add(Finding::new(kind, CHECKPOINT_NAME, detail));
        }
        for missing in checkpoint.missing {
            let detail = "lost to damage that an earlier start found, and not fetched again";
            verification.add(Finding::new(FindingKind::Missing, CHECKPOINT_NAME, detail).at(missing));
        }
        for file in &listing.others {
            let suffix = parse_file_name(&file.name).map(|(_, suffix)| suffix);
            let path = self.dir.join(&file.name);
            let found = match suffix {
                Some("snapshot") if read_snapshot(&self.files, &path)?.is_none() => {
                    Some((FindingKind::Snapshot, "it is not what was written"))
                }
                Some("damaged" | "log.new" | "frames.new") => Some((FindingKind::Leftover, file.purpose)),
                _ if file.name.ends_with(".tmp") || file.name == SWAP_NAME => {
                    Some((FindingKind::Leftover, file.purpose))
                }
                _ if file.name == "fenced" => Some((FindingKind::Fenced, file.purpose)),
                _ => None,
            };
            if let Some((kind, detail)) = found {
                verification.add(Finding::new(kind, &file.name, detail));
            }
        }
        Ok(())
    }

    /// The indexes as they stand. Above the recovery point they were never synced: a crash leaves anything there.
    fn indexes(&self, listing: &Listing, verification: &mut Verification) -> Result<(), LogError> {
        let checkpoint = self.checkpoint(listing)?;
        if checkpoint.state == CheckpointState::Emptying {
            return Ok(());
        }
        let bases: Vec<Offset> = listing.segments.keys().copied().collect();
        for (index, (base, sizes)) in listing.segments.iter().enumerate() {
            let next = bases.get(index + 1).copied();
            let deleted = next.is_some_and(|next| next <= checkpoint.log_start);
            if sizes.log.is_none() || deleted {
                continue;
            }
            let segment = self.segment(*base, *sizes)?;
            let grew = checkpoint.state != CheckpointState::Clean
                && next.is_none_or(|next| next > checkpoint.recovery_point)
                && segment.end_offset >= checkpoint.recovery_point;
            let detail = match segment.index {
                IndexState::Good => continue,
                _ if grew => continue,
                IndexState::Behind => "it ends before the batches do",
                IndexState::Damaged => "it is not what was written",
                IndexState::Missing => "it is missing",
            };
            verification.add(Finding::new(FindingKind::Index, file_name(*base, "frames"), detail));
        }
        Ok(())
    }
}

impl Verification {
    fn add(&mut self, finding: Finding) {
        self.sound &= !finding.damage;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_left_out += 1;
        }
    }

    fn log(&mut self, log: &Log, recovered: &Recovered) -> Result<(), LogError> {
        (self.log_start, self.log_end) = (log.log_start(), log.log_end());
        recovered.damage.iter().for_each(|damage| self.add(damage.into()));
        if recovered.cut_bytes > 0 {
            let last = log.segments().last().map_or(Offset(0), |segment| segment.base);
            let detail = format!(
                "{} bytes behind offset {} were never durable; the next start cuts them off",
                recovered.cut_bytes,
                log.log_end()
            );
            self.add(Finding::new(FindingKind::TornTail, file_name(last, "log"), detail));
        }
        log.segments().iter().try_for_each(|segment| self.segment(log.files(), segment))
    }

    /// Reads a segment; by its index first, and if that is damaged in the middle, from front to back.
    fn segment(&mut self, files: &Files, segment: &Segment) -> Result<(), LogError> {
        let mut checked = CheckedSegment {
            base_offset: segment.base,
            end_offset: segment.end,
            good_bytes: 0,
            batches: 0,
            records: 0,
        };
        let rebuilt;
        let mut readable = segment;
        if let Err(error) = segment.check_index(files) {
            let IndexError::Damaged(_) = error else { return Err(segment.index_error(error)) };
            let name = file_name(segment.base, "frames");
            self.add(Finding::new(FindingKind::Index, name, error.to_string()));
            let end;
            (rebuilt, end) = segment.rebuilt(files)?;
            if rebuilt.end < segment.end {
                let reason = match end {
                    ScanEnd::Bad(reason) => reason,
                    ScanEnd::Done => "batches at its end are missing".to_owned(),
                };
                let range = rebuilt.end..segment.end;
                self.add((&Damage { segment: segment.base, range, reason }).into());
            }
            readable = &rebuilt;
        }
        let damages = readable.check_each(files, |bytes| {
            for batch in Batch::all(bytes).flatten() {
                checked.batches += 1;
                checked.good_bytes += batch.bytes().len() as u64;
                checked.records += u64::try_from(batch.header().record_count).unwrap_or(0);
            }
        })?;
        damages.iter().for_each(|damage| self.add(damage.into()));
        self.segments.push(checked);
        Ok(())
    }
}
