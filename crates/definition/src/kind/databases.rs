//! Databases: connections to a database server.

use super::{
    Group, Kind, ValueShape,
    secret_reference::MY_PASSWORD_SECRET,
    shared_fields::PLAIN,
    spec::{FieldChoice, FieldSpec, KindSpec, spec, text},
};

/// The types that a `database` field accepts.
pub(super) const ANY_DATABASE: &[Kind] = &[Kind::JdbcDatabase, Kind::RdsDatabase, Kind::RedshiftDatabase];

const USERNAME: FieldSpec = text("username", "User of the database.").required();
const PASSWORD: FieldSpec =
    text("*password", "Password of the database user; the asterisk keeps it out of every output.").required();
const OWN: &[FieldSpec] = &[spec(
    MY_PASSWORD_SECRET,
    ValueShape::SecretReference,
    "Secret in AWS with the password, in place of *password. The worker reads it for each task; it may also name the user.",
)];
const DATABASE_NAME: FieldSpec = text("databaseName", "Name of the database on its server.");
const REGION: FieldSpec = text("region", "Region of the database, such as us-east-1.");
const PROPERTIES: FieldSpec = text("jdbcProperties", "Property of the JDBC connection, name=value.").multi();

pub(super) static JDBC_DATABASE: KindSpec = KindSpec {
    name: "JdbcDatabase",
    group: Group::Database,
    doc: "A database with a JDBC URL.",
    fields: &[
        text("connectionString", "The JDBC URL, such as jdbc:postgresql://host:5432/database.").required(),
        text("jdbcDriverClass", "Class of the JDBC driver, such as org.postgresql.Driver.").required(),
        USERNAME,
        PASSWORD,
        DATABASE_NAME,
        text("jdbcDriverJarUri", "JAR of the JDBC driver in S3, s3://bucket/key."),
        PROPERTIES,
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: OWN,
};

pub(super) static RDS_DATABASE: KindSpec = KindSpec {
    name: "RdsDatabase",
    group: Group::Database,
    doc: "An RDS database, found by its instance; for Aurora use JdbcDatabase.",
    fields: &[
        text("rdsInstanceId", "Identifier of the RDS instance.").required(),
        USERNAME,
        PASSWORD,
        DATABASE_NAME,
        REGION,
        text(
            "jdbcDriverJarUri",
            "JAR of the JDBC driver in S3, s3://bucket/key; required for Oracle and SQL Server.",
        ),
        PROPERTIES,
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: OWN,
};

pub(super) static REDSHIFT_DATABASE: KindSpec = KindSpec {
    name: "RedshiftDatabase",
    group: Group::Database,
    doc: "A Redshift database, found by its cluster or by a JDBC URL.",
    fields: &[
        USERNAME,
        PASSWORD,
        text("clusterId", "Identifier of the Redshift cluster."),
        text("connectionString", "JDBC URL of the cluster, jdbc:redshift://... or jdbc:postgresql://..."),
        DATABASE_NAME,
        REGION,
        PROPERTIES,
    ],
    includes: PLAIN,
    one_of: &[FieldChoice::exactly(&["clusterId", "connectionString"])],
    my_fields: OWN,
};
