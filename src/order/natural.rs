//! The order by kind and name.

use std::cmp::Ordering;

use crate::catalog::{Catalog, ConstraintOwner, DumpId, ObjectKind, Oid, class};
use crate::pg::text::compare as by_bytes;

/// Sorts by kind, then namespace, name, and the rest of the natural key. OIDs only break remaining ties.
pub(super) fn sort(catalog: &Catalog, ids: &mut [DumpId], dialect: u32) {
    let ranks = namespace_ranks(catalog);
    let key = |id: DumpId| {
        let object = catalog.object(id);
        let (kind, tie) = priority(&object.kind, dialect);
        // Objects without a namespace come after those that have one.
        let namespace = object.namespace.map_or(u32::MAX, |it| ranks[it.index()]);
        Key { kind, namespace, name: &object.name, tie, id }
    };
    let mut keyed: Vec<_> = ids.iter().map(|&id| key(id)).collect();
    let compare = |x: &Key<'_>, y: &Key<'_>| {
        (x.kind, x.namespace)
            .cmp(&(y.kind, y.namespace))
            .then_with(|| by_bytes(x.name, y.name))
            .then(x.tie.cmp(&y.tie))
            .then_with(|| rest_of_key(catalog, x.id, y.id))
            .then_with(|| catalog.object(x.id).catalog_id.oid.cmp(&catalog.object(y.id).catalog_id.oid))
    };
    if keyed.len() > WORTH_A_THREAD {
        let (low, high) = keyed.split_at_mut(ids.len() / 2);
        std::thread::scope(|scope| {
            scope.spawn(|| low.sort_by(compare));
            high.sort_by(compare);
        });
    }
    // The input is two sorted halves, so this merges them.
    keyed.sort_by(compare);
    for (id, keyed) in ids.iter_mut().zip(keyed) {
        *id = keyed.id;
    }
}

/// Below this number of objects, sorting is faster than starting a thread.
const WORTH_A_THREAD: usize = 10_000;

/// The part of the key that usually decides.
struct Key<'a> {
    kind: u8,
    namespace: u32,
    name: &'a str,
    tie: u8,
    id: DumpId,
}

/// The rank of each namespace when sorted by name; 0 for other objects.
fn namespace_ranks(catalog: &Catalog) -> Vec<u32> {
    let mut ranks = vec![0; catalog.ids().count()];
    let mut namespaces: Vec<DumpId> = catalog.ids().filter(|&id| catalog.namespace(id).is_some()).collect();
    namespaces.sort_by(|&a, &b| by_bytes(&catalog.object(a).name, &catalog.object(b).name));
    for (rank, id) in namespaces.into_iter().enumerate() {
        ranks[id.index()] = rank as u32;
    }
    ranks
}

/// Where each kind comes in a dump: the first number orders kinds, the second only separates kinds that share
/// both that number and their names. Large objects came before the section boundary until 16.
fn priority(kind: &ObjectKind, dialect: u32) -> (u8, u8) {
    let after_sequences = dialect >= 17;
    match kind {
        ObjectKind::Namespace(_) => (1, 0),
        ObjectKind::Language(_) => (2, 0),
        ObjectKind::Collation(_) => (3, 0),
        ObjectKind::Transform(_) => (4, 0),
        ObjectKind::Extension(_) => (5, 0),
        ObjectKind::Type(_) => (6, 0),
        ObjectKind::ShellType(_) => (6, 1),
        ObjectKind::Cast(_) => (7, 0),
        ObjectKind::Routine(_) => (8, 0),
        ObjectKind::Aggregate(_) => (9, 0),
        ObjectKind::AccessMethod(_) => (10, 0),
        ObjectKind::Operator(_) => (11, 0),
        ObjectKind::Opclass(_) => (12, 0),
        ObjectKind::Opfamily(_) => (12, 1),
        ObjectKind::Conversion(_) => (13, 0),
        ObjectKind::TsParser(_) => (14, 0),
        ObjectKind::TsTemplate(_) => (15, 0),
        ObjectKind::TsDict(_) => (16, 0),
        ObjectKind::TsConfig(_) => (17, 0),
        ObjectKind::ForeignDataWrapper(_) => (18, 0),
        ObjectKind::ForeignServer(_) => (19, 0),
        ObjectKind::Relation(_) => (20, 0),
        ObjectKind::TableAttach(_) => (21, 0),
        ObjectKind::DummyType(_) => (22, 0),
        ObjectKind::AttrDef(_) => (23, 0),
        ObjectKind::LargeObjects(_) if !after_sequences => (24, 0),
        ObjectKind::PreDataBoundary => (25, 0),
        ObjectKind::TableData(_) => (26, 0),
        ObjectKind::SequenceSet(_) => (27, 0),
        ObjectKind::LargeObjects(_) => (28, 0),
        ObjectKind::LargeObjectData(_) => (29, 0),
        // This includes the statistics of indexes, so each index comes before its statistics.
        ObjectKind::RelationStatistics(_) => (30, 0),
        ObjectKind::PostDataBoundary => (31, 0),
        ObjectKind::Constraint(_) => (32, 0),
        ObjectKind::Index(_) => (33, 0),
        ObjectKind::IndexAttach(_) => (34, 0),
        ObjectKind::ExtendedStatistics(_) => (35, 0),
        ObjectKind::Rule(_) => (36, 0),
        ObjectKind::Trigger(_) => (37, 0),
        ObjectKind::ForeignKey(_) => (38, 0),
        ObjectKind::Policy(_) => (39, 0),
        ObjectKind::Publication(_) => (40, 0),
        ObjectKind::PublicationRel(_) => (41, 0),
        ObjectKind::PublicationNamespace(_) => (42, 0),
        ObjectKind::Subscription(_) => (43, 0),
        ObjectKind::DefaultAcl(_) => (44, 0),
        ObjectKind::EventTrigger(_) => (45, 0),
        ObjectKind::RefreshMatView(_) => (46, 0),
    }
}

fn rest_of_key(catalog: &Catalog, a: DumpId, b: DumpId) -> Ordering {
    let name = |id: DumpId| catalog.object(id).name.as_str();
    let by_name = |a: DumpId, b: DumpId| by_bytes(name(a), name(b));
    // Only objects of the same kind get here, since kinds differ in their priority.
    macro_rules! same_kind {
        ($kind:pat => $it:ident) => {
            match &catalog.object(b).kind {
                $kind => $it,
                #[allow(clippy::wildcard_enum_match_arm)]
                _ => return Ordering::Equal,
            }
        };
    }
    match &catalog.object(a).kind {
        ObjectKind::Routine(x) => {
            let y = same_kind!(ObjectKind::Routine(y) => y);
            by_types(catalog, &x.arg_types, &y.arg_types)
        }
        ObjectKind::Aggregate(x) => {
            let y = same_kind!(ObjectKind::Aggregate(y) => y);
            by_types(catalog, &x.arg_types, &y.arg_types)
        }
        ObjectKind::Operator(x) => {
            let y = same_kind!(ObjectKind::Operator(y) => y);
            // Prefix operators before infix ones.
            let by_kind = y.oprkind.cmp(&x.oprkind);
            by_kind.then_with(|| by_types(catalog, &[x.oprleft, x.oprright], &[y.oprleft, y.oprright]))
        }
        ObjectKind::Opclass(x) => by_bytes(&x.amname, &same_kind!(ObjectKind::Opclass(y) => y).amname),
        ObjectKind::Opfamily(x) => by_bytes(&x.amname, &same_kind!(ObjectKind::Opfamily(y) => y).amname),
        ObjectKind::Collation(x) => {
            x.collencoding.cmp(&same_kind!(ObjectKind::Collation(y) => y).collencoding)
        }
        ObjectKind::AttrDef(x) => x.adnum.cmp(&same_kind!(ObjectKind::AttrDef(y) => y).adnum),
        ObjectKind::Policy(x) => by_name(x.table, same_kind!(ObjectKind::Policy(y) => y).table),
        ObjectKind::Rule(x) => by_name(x.relation, same_kind!(ObjectKind::Rule(y) => y).relation),
        ObjectKind::Trigger(x) => by_name(x.table, same_kind!(ObjectKind::Trigger(y) => y).table),
        ObjectKind::Constraint(x) | ObjectKind::ForeignKey(x) => {
            let y = same_kind!(ObjectKind::Constraint(y) | ObjectKind::ForeignKey(y) => y);
            match (x.owner, y.owner) {
                (ConstraintOwner::Domain(x), ConstraintOwner::Domain(y))
                | (ConstraintOwner::Table(x), ConstraintOwner::Table(y)) => by_name(x, y),
                (ConstraintOwner::Domain(_), ConstraintOwner::Table(_)) => Ordering::Less,
                (ConstraintOwner::Table(_), ConstraintOwner::Domain(_)) => Ordering::Greater,
            }
        }
        ObjectKind::DefaultAcl(x) => by_bytes(&x.role, &same_kind!(ObjectKind::DefaultAcl(y) => y).role),
        ObjectKind::PublicationRel(x) => {
            by_name(x.publication, same_kind!(ObjectKind::PublicationRel(y) => y).publication)
        }
        ObjectKind::PublicationNamespace(x) => {
            by_name(x.publication, same_kind!(ObjectKind::PublicationNamespace(y) => y).publication)
        }
        // Name and parent fully identify these.
        ObjectKind::Namespace(_)
        | ObjectKind::Extension(_)
        | ObjectKind::Type(_)
        | ObjectKind::ShellType(_)
        | ObjectKind::DummyType(_)
        | ObjectKind::AccessMethod(_)
        | ObjectKind::Conversion(_)
        | ObjectKind::Relation(_)
        | ObjectKind::TableAttach(_)
        | ObjectKind::Index(_)
        | ObjectKind::IndexAttach(_)
        | ObjectKind::ExtendedStatistics(_)
        | ObjectKind::Language(_)
        | ObjectKind::Cast(_)
        | ObjectKind::Transform(_)
        | ObjectKind::TableData(_)
        | ObjectKind::SequenceSet(_)
        | ObjectKind::RelationStatistics(_)
        | ObjectKind::RefreshMatView(_)
        | ObjectKind::TsParser(_)
        | ObjectKind::TsDict(_)
        | ObjectKind::TsTemplate(_)
        | ObjectKind::TsConfig(_)
        | ObjectKind::ForeignDataWrapper(_)
        | ObjectKind::ForeignServer(_)
        | ObjectKind::LargeObjects(_)
        | ObjectKind::LargeObjectData(_)
        | ObjectKind::EventTrigger(_)
        | ObjectKind::Publication(_)
        | ObjectKind::Subscription(_)
        | ObjectKind::PreDataBoundary
        | ObjectKind::PostDataBoundary => Ordering::Equal,
    }
}

/// Compares the number of types first, then the types' (schema, name).
fn by_types(catalog: &Catalog, a: &[Oid], b: &[Oid]) -> Ordering {
    let key = |oid: Oid| catalog.find(class::PG_TYPE, oid);
    a.len().cmp(&b.len()).then_with(|| {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| match (key(a), key(b)) {
                (Some(a), Some(b)) => {
                    let schema = |id| catalog.namespace_name(id).unwrap_or_default();
                    by_bytes(schema(a), schema(b))
                        .then_with(|| by_bytes(&catalog.object(a).name, &catalog.object(b).name))
                }
                _ => Ordering::Equal,
            })
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}
