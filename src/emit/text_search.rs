//! Text search parsers, templates, dictionaries, configurations.

use super::{Emitter, EntryKind};
use crate::catalog::{DumpId, TsConfig, TsDict, TsParser, TsTemplate};

impl Emitter<'_> {
    pub(super) fn ts_parser(&mut self, id: DumpId, it: &TsParser) {
        let mut parameters = vec![
            format!("START = {}", it.prsstart),
            format!("GETTOKEN = {}", it.prstoken),
            format!("END = {}", it.prsend),
        ];
        if it.prsheadline != "-" {
            parameters.push(format!("HEADLINE = {}", it.prsheadline));
        }
        parameters.push(format!("LEXTYPES = {}", it.prslextype));
        self.push_ts(id, EntryKind::TextSearchParser, None, &parameters.join(",\n    "), "");
    }

    pub(super) fn ts_template(&mut self, id: DumpId, it: &TsTemplate) {
        let mut parameters = Vec::new();
        if it.tmplinit != "-" {
            parameters.push(format!("INIT = {}", it.tmplinit));
        }
        parameters.push(format!("LEXIZE = {}", it.tmpllexize));
        self.push_ts(id, EntryKind::TextSearchTemplate, None, &parameters.join(",\n    "), "");
    }

    pub(super) fn ts_dict(&mut self, id: DumpId, it: &TsDict) {
        let (schema, name) = &it.template;
        let mut parameters = format!("TEMPLATE = {}", self.q.qualified(Some(schema), name));
        if let Some(options) = &it.dictinitoption {
            parameters.push_str(&format!(",\n    {options}"));
        }
        self.push_ts(id, EntryKind::TextSearchDictionary, Some(&it.owner), &parameters, "");
    }

    pub(super) fn ts_config(&mut self, id: DumpId, it: &TsConfig) {
        let (schema, name) = &it.parser;
        let parameters = format!("PARSER = {}", self.q.qualified(Some(schema), name));
        let qualified = self.qualified(id);
        let mappings: String = it
            .mappings
            .iter()
            .map(|(token, dictionaries)| {
                format!(
                    "\nALTER TEXT SEARCH CONFIGURATION {qualified}\n    ADD MAPPING FOR {} WITH {};\n",
                    self.q.id(token),
                    dictionaries.join(", ")
                )
            })
            .collect();
        self.push_ts(id, EntryKind::TextSearchConfiguration, Some(&it.owner), &parameters, &mappings);
    }

    fn push_ts(&mut self, id: DumpId, kind: EntryKind, owner: Option<&str>, parameters: &str, after: &str) {
        let create =
            format!("CREATE {} {} (\n    {parameters} );\n{after}", kind.header(), self.qualified(id));
        self.push_simple(id, kind, owner, create);
    }
}
