//! What an instance costs by AWS's price list.

use job_aws::{NoAnswer, Question, Service};
use serde_json::{Value, json};

use super::{Account, short};

const PRICING: Service = Service {
    id: "Pricing",
    name: "pricing",
    version: "2017-10-15",
    only_in: Some(("us-east-1", "api.pricing.us-east-1.amazonaws.com")),
};
const TARGET: &str = "AWSPriceListService";

/// Why the price of an instance is unknown.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// The list can't be read, for instance for lack of a permission.
    #[error("{}", short(.0))]
    Unread(#[from] NoAnswer),
    /// The list has no price of the instance, or several.
    #[error("the price list of {service} has no single price of {instance_type}")]
    NotOne {
        /// The service's code in the list.
        service: &'static str,
        /// The type of the instance.
        instance_type: String,
    },
}

impl Account<'_> {
    /// US dollars for an hour of an instance: of EC2, on demand, and of EMR. Without its volumes.
    ///
    /// # Errors
    /// See [`PriceError`].
    pub async fn dollars_per_hour(&self, instance_type: &str) -> Result<f64, PriceError> {
        let machine = [
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
        ];
        let (machine, emr) = tokio::join!(
            self.listed("AmazonEC2", instance_type, &machine),
            self.listed("ElasticMapReduce", instance_type, &[("softwareType", "EMR")]),
        );
        Ok(machine? + emr?)
    }

    async fn listed(
        &self,
        service: &'static str,
        instance_type: &str,
        more: &[(&str, &str)],
    ) -> Result<f64, PriceError> {
        let own = [("instanceType", instance_type), ("regionCode", self.clients.region.as_str())];
        let filter =
            |(field, value): (&str, &str)| json!({"Type": "TERM_MATCH", "Field": field, "Value": value});
        let filters: Vec<Value> = own.into_iter().chain(more.iter().copied()).map(filter).collect();
        let body = json!({"ServiceCode": service, "Filters": filters, "FormatVersion": "aws_v1"}).to_string();
        let reply = PRICING.ask(self.clients, "GetProducts", Question::Json(TARGET, &body)).await?;
        price(&reply).ok_or_else(|| PriceError::NotOne { service, instance_type: instance_type.to_owned() })
    }
}

/// The price of an hour, if the list has one and only one.
fn price(reply: &str) -> Option<f64> {
    let reply: Value = serde_json::from_str(reply).ok()?;
    let products = reply["PriceList"].as_array()?.iter();
    let mut prices: Vec<f64> = products
        .filter_map(|product| serde_json::from_str::<Value>(product.as_str()?).ok())
        .flat_map(|product| {
            let terms = product["terms"]["OnDemand"].as_object().cloned().unwrap_or_default();
            let dimensions = terms.into_iter().flat_map(|(_, term)| {
                term["priceDimensions"].as_object().cloned().unwrap_or_default().into_iter()
            });
            let hourly = dimensions.filter(|(_, dimension)| {
                dimension["unit"].as_str().is_some_and(|unit| {
                    unit.eq_ignore_ascii_case("hrs") || unit.eq_ignore_ascii_case("hours")
                })
            });
            hourly
                .filter_map(|(_, dimension)| dimension["pricePerUnit"]["USD"].as_str()?.parse::<f64>().ok())
                .collect::<Vec<_>>()
        })
        .filter(|dollars| *dollars > 0.0)
        .collect();
    prices.sort_by(f64::total_cmp);
    prices.dedup();
    match prices[..] {
        [one] => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(unit: &str, dollars: &str) -> Value {
        let dimension = json!({"unit": unit, "pricePerUnit": {"USD": dollars}});
        json!({"terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}}}}}).to_string().into()
    }

    #[test]
    fn a_price_is_that_of_an_hour_and_the_only_one() {
        let list = |products: &[Value]| price(&json!({"PriceList": products}).to_string());
        assert_eq!(list(&[product("Hrs", "0.1920000000"), product("Quantity", "9")]), Some(0.192));
        assert_eq!(list(&[product("Hrs", "0.0000000000"), product("Hours", "0.048")]), Some(0.048));
        assert_eq!(list(&[product("Hrs", "1"), product("Hrs", "2")]), None);
        assert_eq!(list(&[]), None);
        assert_eq!(price("{}"), None);
    }
}
