// The AWS SDK for JavaScript does everything that a user of a drop bucket does.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(process.env.NPM_FOLDER + "/");
const {
    S3Client, CopyObjectCommand, CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, GetObjectCommand,
    HeadObjectCommand, PutObjectCommand, paginateListObjectsV2,
} = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const s3 = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL_S3, forcePathStyle: true });
const Bucket = "javascript-bucket";
await s3.send(new CreateBucketCommand({ Bucket }));
await s3.send(new PutObjectCommand({ Bucket, Key: "in/small", Body: "hello" }));
const big = randomBytes(70 << 20);
await new Upload({ client: s3, params: { Bucket, Key: "in/big", Body: big } }).done();

const whole = await s3.send(new GetObjectCommand({ Bucket, Key: "in/big" }));
assert.ok(big.equals(Buffer.from(await whole.Body.transformToByteArray())));
const part = await s3.send(new GetObjectCommand({ Bucket, Key: "in/big", Range: "bytes=1000-1999" }));
assert.ok(big.subarray(1000, 2000).equals(Buffer.from(await part.Body.transformToByteArray())));

await s3.send(new CopyObjectCommand({ Bucket, Key: "copy/ü b+c", CopySource: `${Bucket}/in/small` }));
const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "copy/ü b+c" }));
assert.equal(head.ContentLength, 5);
await assert.rejects(
    s3.send(new PutObjectCommand({ Bucket, Key: "in/small", Body: "x", IfNoneMatch: "*" })),
    { name: "PreconditionFailed" },
);

const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "in/small" }));
assert.equal(await (await fetch(url)).text(), "hello");

// The SDK signs the metadata and the tags of an upload into the query; by default also the checksum of an empty body, which
// neither AWS nor this S3 takes for another one.
const signer = new S3Client({
    endpoint: process.env.AWS_ENDPOINT_URL_S3, forcePathStyle: true, requestChecksumCalculation: "WHEN_REQUIRED",
});
const upload = new PutObjectCommand({ Bucket, Key: "in/signed", Metadata: { from: "a page" }, Tagging: "kind=scrap" });
const put = await fetch(await getSignedUrl(signer, upload), { method: "PUT", body: Buffer.alloc(21 << 20, "x") });
assert.equal(put.status, 200, await put.text());
const mismatch = await fetch(await getSignedUrl(s3, upload), { method: "PUT", body: "x" });
assert.match(await mismatch.text(), /BadDigest/);
const signed = await s3.send(new HeadObjectCommand({ Bucket, Key: "in/signed" }));
assert.deepEqual([signed.Metadata, signed.TagCount, signed.ContentLength], [{ from: "a page" }, 1, 21 << 20]);
await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "in/signed" }] } }));

const keys = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 1 }, { Bucket })) {
    keys.push(...page.Contents.map((object) => object.Key));
}
assert.deepEqual(keys, ["copy/ü b+c", "in/big", "in/small"]);
const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
assert.equal(gone.Deleted.length, 3);
await s3.send(new DeleteBucketCommand({ Bucket }));
console.log("done");
