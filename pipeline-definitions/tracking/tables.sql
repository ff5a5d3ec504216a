-- Creates the tables of the tracking pipeline. Every run starts with this script, which leaves existing tables unchanged.

CREATE SCHEMA IF NOT EXISTS tracking;

-- One row for each event of a user. A request may cause several events, so that request_id is not a key.
CREATE TABLE IF NOT EXISTS tracking.events (
    request_id        char(36) NOT NULL,
    request_timestamp timestamp without time zone NOT NULL,
    cookie_id         char(36) NOT NULL,
    topic             varchar(1024) NOT NULL,
    message           varchar(3128),
    environment       varchar(30),
    website_id        char(36),
    user_account_id   char(36),
    location          varchar(5000),
    user_agent        varchar(1024),
    referrer          varchar(500)
);

-- One row for each visit that came from a campaign.
CREATE TABLE IF NOT EXISTS tracking.utm (
    request_id         varchar(56) NOT NULL,
    source             varchar(255) NOT NULL,
    medium             varchar(255) NOT NULL,
    campaign           varchar(255),
    content            varchar(255),
    term               varchar(255),
    matchtype          varchar(255),
    network            varchar(255),
    ad_id              varchar(255),
    ad_pos             varchar(255),
    placement          varchar(255),
    placement_category varchar(255),
    testgroup          varchar(255),
    device             varchar(255)
);
