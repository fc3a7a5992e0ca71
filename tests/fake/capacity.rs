//! Write capacity of a table and its indexes, each enforced and counted separately. Time is an argument.

use crate::bucket::Bucket;
use crate::spec::TableSpec;
use std::collections::BTreeMap;
use std::time::Instant;
use tests_support::stats::ResourceStats;

/// A time, for the token buckets and for the counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) now: Instant,
    /// The number of [`BUCKET_MILLIS`](tests_support::stats::BUCKET_MILLIS) since the first write.
    pub(crate) bucket: usize,
}

/// The cost of writing an item of this many bytes, in units: one for each started KiB, and at least one (`DynamoDB`
/// Developer Guide, "Capacity unit consumption").
pub(crate) fn write_units(item_bytes: u64) -> u64 {
    item_bytes.div_ceil(1024).max(1)
}

/// The capacity of a table and of its indexes. An item is written only if all of them have some left.
#[derive(Debug)]
pub(crate) struct Capacity {
    table: Resource,
    indexes: BTreeMap<String, Resource>,
}

#[derive(Debug)]
struct Resource {
    bucket: Bucket,
    counts: ResourceStats,
}

impl Capacity {
    /// Full buckets. Only tables to write into use them.
    pub(crate) fn new(spec: &TableSpec, now: Instant) -> Self {
        let wcu = spec.wcu.unwrap_or(0);
        let resource = |wcu| Resource::new(Bucket::new(wcu, spec.burst_seconds, now));
        let indexes = spec.gsis.iter().map(|gsi| (gsi.name.clone(), resource(gsi.wcu.unwrap_or(wcu))));
        Self { table: resource(wcu), indexes: indexes.collect() }
    }

    /// Whether an item may be written now. If not, each exhausted resource counts it.
    pub(crate) fn admits(&mut self, at: At) -> bool {
        let mut admitted = true;
        for resource in self.all() {
            admitted &= resource.admits(at);
        }
        admitted
    }

    /// Charges what an admitted item cost the table, and each of the indexes.
    pub(crate) fn charge(&mut self, table_units: u64, index_units: u64, at: At) {
        self.table.charge(table_units, at);
        self.indexes.values_mut().for_each(|index| index.charge(index_units, at));
    }

    /// New rates of the table and of some indexes, and a new size of all buckets.
    ///
    /// # Errors
    /// If there is no such index; then nothing is changed.
    pub(crate) fn change(
        &mut self,
        wcu: Option<u64>,
        gsi_wcu: &BTreeMap<String, u64>,
        burst_seconds: Option<f64>,
        now: Instant,
    ) -> Result<(), String> {
        if let Some(name) = gsi_wcu.keys().find(|name| !self.indexes.contains_key(*name)) {
            return Err(format!("there is no index {name}"));
        }
        self.table.bucket.change(wcu, burst_seconds, now);
        for (name, index) in &mut self.indexes {
            index.bucket.change(gsi_wcu.get(name).copied(), burst_seconds, now);
        }
        Ok(())
    }

    pub(crate) fn wcu(&self) -> u64 {
        self.table.bucket.rate()
    }

    pub(crate) fn index_wcu(&self, name: &str) -> u64 {
        self.indexes.get(name).map_or(0, |index| index.bucket.rate())
    }

    pub(crate) fn index_names(&self) -> Vec<&str> {
        self.indexes.keys().map(String::as_str).collect()
    }

    pub(crate) fn reset(&mut self) {
        for resource in self.all() {
            resource.counts = ResourceStats::default();
            resource.bucket.fill();
        }
    }

    pub(crate) fn stats(&self) -> (ResourceStats, BTreeMap<String, ResourceStats>) {
        let indexes = self.indexes.iter().map(|(name, index)| (name.clone(), index.stats()));
        (self.table.stats(), indexes.collect())
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Resource> {
        std::iter::once(&mut self.table).chain(self.indexes.values_mut())
    }
}

impl Resource {
    fn new(bucket: Bucket) -> Self {
        Self { bucket, counts: ResourceStats::default() }
    }

    fn admits(&mut self, at: At) -> bool {
        let admitted = self.bucket.admits(at.now);
        if !admitted {
            *entry(&mut self.counts.throttles_by_bucket, at.bucket) += 1;
        }
        admitted
    }

    fn charge(&mut self, units: u64, at: At) {
        self.bucket.charge(2 * units);
        self.counts.units += units;
        *entry(&mut self.counts.units_by_bucket, at.bucket) += units;
    }

    fn stats(&self) -> ResourceStats {
        ResourceStats { wcu: self.bucket.rate(), ..self.counts.clone() }
    }
}

fn entry(counts: &mut Vec<u64>, bucket: usize) -> &mut u64 {
    if bucket >= counts.len() {
        counts.resize(bucket + 1, 0);
    }
    &mut counts[bucket]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn written(spec: &str, millis: u64, units: u64) -> (Capacity, u64) {
        let start = Instant::now();
        let mut capacity = Capacity::new(&spec.parse().expect("a good spec"), start);
        let mut num_written = 0;
        for millis in 0..millis {
            let now = start + Duration::from_millis(millis);
            let at = At { now, bucket: usize::try_from(millis / 100).expect("it fits") };
            for _ in 0..3 {
                if capacity.admits(at) {
                    capacity.charge(units, units, at);
                    num_written += 1;
                }
            }
        }
        (capacity, num_written)
    }

    #[test]
    fn the_slowest_index_sets_the_pace_and_only_it_counts_throttles() {
        let (capacity, num_written) = written("T:sink=1,wcu=1000,gsi=a/100,gsi=b/500", 10_000, 1);
        assert!((1_000..=1_101).contains(&num_written), "{num_written}");
        let (table, indexes) = capacity.stats();
        assert_eq!((table.wcu, indexes["a"].wcu, indexes["b"].wcu), (1_000, 100, 500));
        for resource in [&table, &indexes["a"], &indexes["b"]] {
            assert_eq!(resource.units, num_written);
            assert_eq!(resource.units_by_bucket.iter().sum::<u64>(), num_written);
        }
        assert_eq!(table.throttles_after(0.0) + indexes["b"].throttles_after(0.0), 0);
        assert_eq!(indexes["a"].throttles_after(0.0), 30_000 - num_written);
        assert!(indexes["a"].throttles_by_bucket.len() == 100 && indexes["a"].throttles_after(9.9) > 200);
    }

    #[test]
    fn an_index_without_units_of_its_own_has_those_of_the_table() {
        let (capacity, num_written) = written("T:sink=1,wcu=200,gsi=a", 5_000, 4);
        assert!((1_000 / 4..=1_204 / 4).contains(&num_written), "{num_written}");
        assert_eq!(capacity.index_wcu("a"), 200);
    }

    #[test]
    fn an_on_demand_table_never_throttles() {
        let (capacity, num_written) = written("T:sink=1,gsi=a", 1_000, 400);
        assert_eq!(num_written, 3_000);
        assert_eq!(capacity.stats().1["a"].units, 3_000 * 400);
    }

    #[test]
    fn rates_change_while_in_use_and_unknown_indexes_are_refused() {
        let (mut capacity, _) = written("T:sink=1,wcu=200,gsi=a", 1, 1);
        let index = |name: &str| BTreeMap::from([(name.to_owned(), 50)]);
        assert!(capacity.change(Some(1), &index("b"), None, Instant::now()).is_err());
        assert_eq!((capacity.wcu(), capacity.index_wcu("a")), (200, 200));
        capacity.change(Some(100), &index("a"), None, Instant::now()).expect("a known index");
        assert_eq!((capacity.wcu(), capacity.index_wcu("a")), (100, 50));
    }

    #[test]
    fn a_unit_is_a_kibibyte_begun() {
        assert_eq!([0, 1, 1_024, 1_025, 409_600].map(write_units), [1, 1, 1, 2, 400]);
    }
}
