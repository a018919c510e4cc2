//! The laws of rows as they are typed, sent and imported: each is refused by the names of
//! its bad fields, or can be used.

use serde_json::Value;
use store::{
    EndpointDraft, FieldErrors, InboundKeyDraft, PatternImport, SettingsDraft, ToolAliasDraft,
    ToolPatternDraft, VirtualModelDraft,
};

/// A row of every kind, and a file of patterns.
pub fn check(data: &[u8]) {
    let Ok(row) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    refused(EndpointDraft::for_create(&row));
    refused(EndpointDraft::for_update(&row));
    refused(VirtualModelDraft::for_create(&row));
    refused(VirtualModelDraft::for_update(&row));
    refused(InboundKeyDraft::for_create(&row));
    refused(InboundKeyDraft::for_update(&row));
    refused(ToolAliasDraft::for_create(&row));
    refused(ToolAliasDraft::for_update(&row));
    refused(SettingsDraft::validate(&row));
    refused(PatternImport::read(&row));
    if let Some(draft) = refused(ToolPatternDraft::for_create(&row)) {
        refused(draft.pattern(1));
    }
    refused(ToolPatternDraft::for_update(&row));
}

fn refused<T>(read: Result<T, FieldErrors>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            None
        }
    }
}
