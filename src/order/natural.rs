//! The order by kind and name.

use std::cmp::Ordering;

use crate::catalog::{Catalog, ConstraintOwner, DumpId, Kind, Oid, class};
use crate::pg::text;

/// Sorts by kind, then namespace, name, and the rest of the natural key; by OID only if all that
/// is equal.
pub(super) fn sort(catalog: &Catalog, ids: &mut [DumpId], dialect: u32) {
    let ranks = namespace_ranks(catalog);
    let key = |id: DumpId| {
        let object = catalog.object(id);
        let (kind, tie) = priority(&object.kind, dialect);
        // Without a namespace means after all that have one.
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
    // Of two sorted halves this is a merge.
    keyed.sort_by(compare);
    for (id, keyed) in ids.iter_mut().zip(keyed) {
        *id = keyed.id;
    }
}

/// Fewer objects than this are sorted sooner than a thread is started.
const WORTH_A_THREAD: usize = 10_000;

/// What decides mostly.
struct Key<'a> {
    kind: u8,
    namespace: u32,
    name: &'a str,
    tie: u8,
    id: DumpId,
}

/// The place of each namespace among the namespaces, by name; of other objects, 0.
fn namespace_ranks(catalog: &Catalog) -> Vec<u32> {
    let mut ranks = vec![0; catalog.ids().count()];
    let mut namespaces: Vec<DumpId> = catalog.ids().filter(|&id| catalog.namespace(id).is_some()).collect();
    namespaces.sort_by(|&a, &b| by_bytes(&catalog.object(a).name, &catalog.object(b).name));
    for (rank, id) in namespaces.into_iter().enumerate() {
        ranks[id.index()] = rank as u32;
    }
    ranks
}

/// Where each kind stands in a dump: the first number orders kinds, the second only separates
/// kinds that share it and the names. Large objects went before the section boundary until 16.
fn priority(kind: &Kind, dialect: u32) -> (u8, u8) {
    let after_sequences = dialect >= 17;
    match kind {
        Kind::Namespace(_) => (1, 0),
        Kind::Language(_) => (2, 0),
        Kind::Collation(_) => (3, 0),
        Kind::Transform(_) => (4, 0),
        Kind::Extension(_) => (5, 0),
        Kind::Type(_) => (6, 0),
        Kind::ShellType(_) => (6, 1),
        Kind::Cast(_) => (7, 0),
        Kind::Routine(_) => (8, 0),
        Kind::Aggregate(_) => (9, 0),
        Kind::AccessMethod(_) => (10, 0),
        Kind::Operator(_) => (11, 0),
        Kind::Opclass(_) => (12, 0),
        Kind::Opfamily(_) => (12, 1),
        Kind::Conversion(_) => (13, 0),
        Kind::TsParser(_) => (14, 0),
        Kind::TsTemplate(_) => (15, 0),
        Kind::TsDict(_) => (16, 0),
        Kind::TsConfig(_) => (17, 0),
        Kind::ForeignDataWrapper(_) => (18, 0),
        Kind::ForeignServer(_) => (19, 0),
        Kind::Relation(_) => (20, 0),
        Kind::TableAttach(_) => (21, 0),
        Kind::DummyType(_) => (22, 0),
        Kind::AttrDef(_) => (23, 0),
        Kind::LargeObjects(_) if !after_sequences => (24, 0),
        Kind::PreDataBoundary => (25, 0),
        Kind::TableData(_) => (26, 0),
        Kind::SequenceSet(_) => (27, 0),
        Kind::LargeObjects(_) => (28, 0),
        Kind::LargeObjectData(_) => (29, 0),
        // Those of indexes too, and so each index comes when its statistics are due.
        Kind::RelationStatistics(_) => (30, 0),
        Kind::PostDataBoundary => (31, 0),
        Kind::Constraint(_) => (32, 0),
        Kind::Index(_) => (33, 0),
        Kind::IndexAttach(_) => (34, 0),
        Kind::ExtendedStatistics(_) => (35, 0),
        Kind::Rule(_) => (36, 0),
        Kind::Trigger(_) => (37, 0),
        Kind::ForeignKey(_) => (38, 0),
        Kind::Policy(_) => (39, 0),
        Kind::Publication(_) => (40, 0),
        Kind::PublicationRel(_) => (41, 0),
        Kind::PublicationNamespace(_) => (42, 0),
        Kind::Subscription(_) => (43, 0),
        Kind::DefaultAcl(_) => (44, 0),
        Kind::EventTrigger(_) => (45, 0),
        Kind::RefreshMatView(_) => (46, 0),
    }
}

/// Names are compared by their bytes in the database's encoding.
fn by_bytes(a: &str, b: &str) -> Ordering {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    match x.iter().zip(y).position(|(x, y)| x != y) {
        None => x.len().cmp(&y.len()),
        // What is equal so far is whole characters, so this is what the encoded bytes would say.
        Some(i) if x[i].is_ascii() && y[i].is_ascii() => x[i].cmp(&y[i]),
        Some(_) => text::encode(a).cmp(&text::encode(b)),
    }
}

fn rest_of_key(catalog: &Catalog, a: DumpId, b: DumpId) -> Ordering {
    let name = |id: DumpId| catalog.object(id).name.as_str();
    let by_name = |a: DumpId, b: DumpId| by_bytes(name(a), name(b));
    match (&catalog.object(a).kind, &catalog.object(b).kind) {
        (Kind::Routine(x), Kind::Routine(y)) => by_types(catalog, &x.arg_types, &y.arg_types),
        (Kind::Aggregate(x), Kind::Aggregate(y)) => by_types(catalog, &x.arg_types, &y.arg_types),
        // Prefix operators before infix ones.
        (Kind::Operator(x), Kind::Operator(y)) => y
            .oprkind
            .cmp(&x.oprkind)
            .then_with(|| by_types(catalog, &[x.oprleft, x.oprright], &[y.oprleft, y.oprright])),
        (Kind::Opclass(x), Kind::Opclass(y)) => by_bytes(&x.amname, &y.amname),
        (Kind::Opfamily(x), Kind::Opfamily(y)) => by_bytes(&x.amname, &y.amname),
        (Kind::Collation(x), Kind::Collation(y)) => x.collencoding.cmp(&y.collencoding),
        (Kind::AttrDef(x), Kind::AttrDef(y)) => x.adnum.cmp(&y.adnum),
        (Kind::Policy(x), Kind::Policy(y)) => by_name(x.table, y.table),
        (Kind::Rule(x), Kind::Rule(y)) => by_name(x.relation, y.relation),
        (Kind::Trigger(x), Kind::Trigger(y)) => by_name(x.table, y.table),
        (Kind::Constraint(x) | Kind::ForeignKey(x), Kind::Constraint(y) | Kind::ForeignKey(y)) => {
            match (x.owner, y.owner) {
                (ConstraintOwner::Domain(x), ConstraintOwner::Domain(y))
                | (ConstraintOwner::Table(x), ConstraintOwner::Table(y)) => by_name(x, y),
                (ConstraintOwner::Domain(_), ConstraintOwner::Table(_)) => Ordering::Less,
                (ConstraintOwner::Table(_), ConstraintOwner::Domain(_)) => Ordering::Greater,
            }
        }
        (Kind::DefaultAcl(x), Kind::DefaultAcl(y)) => by_bytes(&x.role, &y.role),
        (Kind::PublicationRel(x), Kind::PublicationRel(y)) => by_name(x.publication, y.publication),
        (Kind::PublicationNamespace(x), Kind::PublicationNamespace(y)) => {
            by_name(x.publication, y.publication)
        }
        _ => Ordering::Equal,
    }
}

/// By number of types, then by the types' (schema, name).
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
