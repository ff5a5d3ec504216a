// minio-js does everything that a user of a drop bucket does.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Readable } from "node:stream";

const require = createRequire(process.env.NPM_FOLDER + "/");
const { Client, CopyConditions } = require("minio");

const endpoint = new URL(process.env.AWS_ENDPOINT_URL_S3);
const minio = new Client({
    endPoint: endpoint.hostname, port: Number(endpoint.port), useSSL: false, region: process.env.AWS_REGION,
    accessKey: process.env.AWS_ACCESS_KEY_ID, secretKey: process.env.AWS_SECRET_ACCESS_KEY,
});
const bucket = "minio-bucket";

async function bytes(stream) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
}

async function names(stream) {
    return (await stream.toArray()).map((object) => object.name ?? object.prefix ?? object.key);
}

await minio.makeBucket(bucket);
await minio.putObject(bucket, "in/small", "hello");
const big = randomBytes(70 << 20);
// Before a large upload, minio-js looks for an earlier upload of the key, with a delimiter.
await minio.putObject(bucket, "in/big", Readable.from([big]), big.length);
assert.ok(big.equals(await bytes(await minio.getObject(bucket, "in/big"))));
assert.ok(big.subarray(500, 600).equals(await bytes(await minio.getPartialObject(bucket, "in/big", 500, 100))));
assert.equal((await minio.statObject(bucket, "in/big")).size, big.length);
await minio.copyObject(bucket, "copy/small", `/${bucket}/in/small`, new CopyConditions());
assert.deepEqual(await names(minio.listObjectsV2(bucket, "", true)), ["copy/small", "in/big", "in/small"]);
assert.deepEqual(await names(minio.listObjects(bucket, "", false)), ["copy/", "in/"]);
assert.deepEqual(await names(minio.listIncompleteUploads(bucket, "", true)), []);
const url = await minio.presignedGetObject(bucket, "in/small", 60);
assert.equal(await (await fetch(url)).text(), "hello");
const put = await minio.presignedPutObject(bucket, "signed", 60);
assert.equal((await fetch(put, { method: "PUT", body: "signed" })).status, 200);
await minio.setObjectTagging(bucket, "signed", { kind: "test" });
assert.deepEqual(await minio.getObjectTagging(bucket, "signed"), [{ Key: "kind", Value: "test" }]);
await minio.setBucketVersioning(bucket, { Status: "Enabled" });
assert.equal((await minio.getBucketVersioning(bucket)).Status, "Enabled");
await minio.putObject(bucket, "signed", "again");
const versions = await minio.listObjects(bucket, "", true, { IncludeVersion: true }).toArray();
await minio.removeObjects(bucket, versions.map(({ name, versionId }) => ({ name, versionId })));
await minio.removeBucket(bucket);
console.log("done");
