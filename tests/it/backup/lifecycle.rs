//! The bucket's lifecycle rules.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};

use super::world::{Place, World, ends, stderr};

/// The only test that changes the rules of the bucket, which all tests share.
#[test]
fn our_rule_is_set_and_others_stay() {
    let world = World::new();
    let place = world.bucket();
    let Place::S3 { s3, runtime, client, prefix } = &place else { unreachable!() };
    let theirs = LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("others/").build())
        .expiration(LifecycleExpiration::builder().days(30).build())
        .build()
        .unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(theirs.clone()).build().unwrap();
    let put = client.put_bucket_lifecycle_configuration().bucket(&s3.bucket).lifecycle_configuration(rules);
    runtime.block_on(put.send()).unwrap();
    let stored = || {
        let get = client.get_bucket_lifecycle_configuration().bucket(&s3.bucket);
        runtime.block_on(get.send()).map(|found| found.rules.unwrap_or_default()).unwrap_or_default()
    };
    let before = stored();
    let run = |arguments: &[&str]| {
        let mut all = vec!["lifecycle"];
        all.extend(arguments);
        world.command(&place, "postgres", &all)
    };
    let told = |arguments: &[&str]| String::from_utf8(ends(run(arguments), 0).stdout).unwrap();
    let dry = told(&["set", "--expire-days", "400"]);
    assert!(dry.contains("  theirs: remove after 30 days\n"), "{dry}");
    assert!(
        dry.contains(&format!("+ pgsiphon-{}: enabled, for keys that begin with {prefix}", place.job())),
        "{dry}"
    );
    assert!(dry.contains("dry run"));
    assert_eq!(stored(), before);
    told(&["set", "--expire-days", "400", "--yes"]);
    assert_eq!(stored().len(), 2);
    assert!(stored().contains(&before[0]));
    assert!(told(&["show"]).contains(": remove after 400 days"));
    assert!(told(&["set", "--expire-days", "400", "--yes"]).contains("no changes"));
    assert!(told(&["set", "--expire-days", "500"]).contains(": remove after 400 days"));
    told(&["set", "--remove", "--yes"]);
    assert_eq!(stored(), before);
    assert!(stderr(&ends(run(&["set"]), 2)).contains("nothing to set"));
    runtime.block_on(client.delete_bucket_lifecycle().bucket(&s3.bucket).send()).unwrap();
    assert!(told(&["show"]).contains("no lifecycle rules"));
    let folder = world.directory();
    ends(world.command(&folder, "postgres", &["lifecycle", "show"]), 2);
}
