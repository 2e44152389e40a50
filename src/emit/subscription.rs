//! Subscriptions. They are created without connecting, since the publisher may not be reachable.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, Subscription};

impl Emitter<'_> {
    pub(super) fn subscription(&mut self, id: DumpId, it: &Subscription) {
        let name = self.name(id);
        let slot = match &it.subslotname {
            Some(slot) => self.q.literal(slot),
            None => "NONE".to_owned(),
        };
        let mut with = vec!["connect = false".to_owned(), format!("slot_name = {slot}")];
        let mut option = |set: bool, text: &str| {
            if set {
                with.push(text.to_owned());
            }
        };
        option(it.subbinary, "binary = true");
        match it.substream {
            't' => option(true, "streaming = on"),
            'p' => option(true, "streaming = parallel"),
            // The default became parallel in 18.
            _ => option(self.dialect >= 18, "streaming = off"),
        }
        option(it.subtwophasestate != 'd', "two_phase = on");
        option(it.subdisableonerr, "disable_on_error = true");
        option(!it.subpasswordrequired, "password_required = false");
        option(it.subrunasowner, "run_as_owner = true");
        option(it.subfailover, "failover = true");
        option(it.subretaindeadtuples, "retain_dead_tuples = true");
        if it.submaxretention != 0 {
            with.push(format!("max_retention_duration = {}", it.submaxretention));
        }
        if it.subsynccommit != "off" {
            with.push(format!("synchronous_commit = {}", self.q.id(&it.subsynccommit)));
        }
        if it.subwalrcvtimeout != "-1" {
            with.push(format!("wal_receiver_timeout = {}", self.q.id(&it.subwalrcvtimeout)));
        }
        if !it.suborigin.eq_ignore_ascii_case("any") {
            with.push(format!("origin = {}", it.suborigin));
        }
        let publisher = match &it.servername {
            Some(server) => format!("SERVER {}", self.q.id(server)),
            None => format!("CONNECTION {}", self.q.literal(it.subconninfo.as_deref().unwrap_or_default())),
        };
        let create = format!(
            "CREATE SUBSCRIPTION {name} {publisher} PUBLICATION {} WITH ({});\n",
            self.q.ids(it.subpublications.iter().map(String::as_str)),
            with.join(", ")
        );
        let entry = Entry::new(Section::PostData, EntryKind::Subscription, &*self.get(id).name, create)
            .owned_by(&it.owner)
            .named(&*name);
        self.push_definition(id, entry);
        self.annotate(Annotated {
            id,
            kind: EntryKind::Subscription,
            keyword: "SUBSCRIPTION",
            name: &name,
            namespace: None,
            owner: &it.owner,
        });
    }
}
