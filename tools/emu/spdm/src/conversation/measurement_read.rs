// SPDX-License-Identifier: GPL-2.0

//! Reads all measurements: at once if they fit in a message, else block by block. What is read is
//! the measurement record.

use super::{Conversation, Turn};
use crate::measurements::{self, OPERATION_ALL, OPERATION_COUNT};
use crate::{ErrorCode, Fault};

#[derive(Clone, Copy, Debug)]
enum Phase {
    All,
    Count,
    Block { index: u8, found: u8, total: u8 },
}

/// Reads the measurements of a device.
#[derive(Clone, Debug)]
pub struct MeasurementRead {
    raw: bool,
    phase: Phase,
}

impl MeasurementRead {
    /// As raw bit streams or as digests.
    pub fn new(raw: bool) -> Self {
        Self {
            raw,
            phase: Phase::All,
        }
    }

    fn turn(&mut self, take: Option<std::ops::Range<usize>>, phase: Option<Phase>) -> Turn {
        let request = phase.map(|phase| {
            self.phase = phase;
            let operation = match phase {
                Phase::All => OPERATION_ALL,
                Phase::Count => OPERATION_COUNT,
                Phase::Block { index, .. } => index,
            };
            measurements::encode(self.raw, operation)
        });
        Turn {
            take: take.filter(|range| !range.is_empty()),
            request,
            keep_request: false,
        }
    }
}

impl Conversation for MeasurementRead {
    fn begin(&mut self) -> Turn {
        self.turn(None, Some(Phase::All))
    }

    fn take(&mut self, response: &[u8]) -> Result<Turn, Fault> {
        let answer = measurements::decode_response(response);
        match self.phase {
            Phase::All => match answer {
                Err(Fault::Refused(code)) if code == ErrorCode::ResponseTooLarge as u8 => {
                    Ok(self.turn(None, Some(Phase::Count)))
                }
                answer => Ok(self.turn(Some(answer?.record), None)),
            },
            Phase::Count => {
                let total = answer?.total;
                let first = Phase::Block {
                    index: 1,
                    found: 0,
                    total,
                };
                Ok(self.turn(None, (total != 0).then_some(first)))
            }
            Phase::Block {
                index,
                found,
                total,
            } => {
                // Indices may have gaps: one that is not there is refused.
                let (take, found) = match answer {
                    Err(Fault::Refused(code)) if code == ErrorCode::InvalidRequest as u8 => {
                        (None, found)
                    }
                    answer => {
                        let answer = answer?;
                        if answer.blocks != 1 {
                            return Err(Fault::Malformed);
                        }
                        (Some(answer.record), found + 1)
                    }
                };
                if found < total && index == OPERATION_ALL - 1 {
                    return Err(Fault::Malformed);
                }
                let next = Phase::Block {
                    index: index + 1,
                    found,
                    total,
                };
                Ok(self.turn(take, (found < total).then_some(next)))
            }
        }
    }
}
