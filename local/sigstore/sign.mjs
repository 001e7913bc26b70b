// Sign one in-toto statement as a GitHub Actions job would: by Sigstore's own client, against a certificate
// authority and a transparency log of `@sigstore/mock` that live for this process, with keys that stay.
//
//   node sign.mjs FOLDER < request.json > bundle.json
//
// makes FOLDER/key.pem and FOLDER/trusted_root.json where they aren't there yet. The request has `claims`, those of
// the job's OIDC token; `payload`, the statement in base64; and, to forge, `issuedAt`, when the certificate was issued.
// An empty request only makes the files.

import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { text } from "node:stream/consumers";
import { bundleToJSON } from "@sigstore/bundle";
import { fulcioHandler, initializeCA, initializeCTLog, initializeTLog } from "@sigstore/mock";
import { DSSEBundleBuilder, FulcioSigner, RekorWitness } from "@sigstore/sign";

const HOST = "rekor.sigstore.localhost";
const ISSUER = "https://token.actions.githubusercontent.com";
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

const sha256 = (...parts) => crypto.createHash("sha256").update(Buffer.concat(parts)).digest();
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

function keyPairIn(folder) {
  const file = path.join(folder, "key.pem");
  if (!fs.existsSync(file)) {
    fs.mkdirSync(folder, { recursive: true });
    const { privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    fs.writeFileSync(file, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  }
  const privateKey = crypto.createPrivateKey(fs.readFileSync(file));
  return { privateKey, publicKey: crypto.createPublicKey(privateKey) };
}

function trustedRoot(keys, ca) {
  const publicKey = keys.publicKey.export({ format: "der", type: "spki" });
  const validFor = { start: new Date(0).toISOString() };
  const log = {
    baseUrl: `https://${HOST}`,
    hashAlgorithm: "SHA2_256",
    publicKey: { rawBytes: base64(publicKey), keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor },
    logId: { keyId: base64(sha256(publicKey)) },
  };
  const authority = {
    subject: { organization: "sigstore.mock", commonName: "sigstore" },
    uri: "https://fulcio.sigstore.localhost",
    certChain: { certificates: [{ rawBytes: base64(ca.rootCertificate) }] },
    validFor,
  };
  return { mediaType: TRUSTED_ROOT, tlogs: [log], ctlogs: [log], certificateAuthorities: [authority] };
}

// The log's proof, as the second of two entries: that of a single one is all zeros, which JSON leaves out.
function inclusionProof(privateKey, { body, logID }) {
  const sibling = sha256(Buffer.of(0));
  const rootHash = sha256(Buffer.of(1), sibling, sha256(Buffer.of(0), body));
  const note = `${HOST} - 1\n2\n${base64(rootHash)}\n`;
  const signature = crypto.sign("sha256", Buffer.from(note), privateKey);
  const checkpoint = `${note}\n\u2014 ${HOST} ${base64(Buffer.concat([logID.subarray(0, 4), signature]))}\n`;
  return {
    logIndex: 1, treeSize: 2, checkpoint, hashes: [sibling.toString("hex")], rootHash: rootHash.toString("hex"),
  };
}

// What Rekor stores of a proposed entry of the kind "dsse".
function logEntry({ spec: { proposedContent } }) {
  const { payload, signatures } = JSON.parse(proposedContent.envelope);
  const certificate = new crypto.X509Certificate(Buffer.from(proposedContent.verifiers[0], "base64"));
  const hash = (bytes) => ({ algorithm: "sha256", value: sha256(bytes).toString("hex") });
  return {
    apiVersion: "0.0.1",
    kind: "dsse",
    spec: {
      envelopeHash: hash(Buffer.from(proposedContent.envelope)),
      payloadHash: hash(Buffer.from(payload, "base64")),
      signatures: signatures.map(({ sig }) => ({ signature: sig, verifier: base64(certificate.toString()) })),
    },
  };
}

function serve(ca, log) {
  const fulcio = fulcioHandler(ca, { subjectClaim: "job_workflow_uri" });
  const server = http.createServer(async (request, response) => {
    const body = await text(request);
    const answer = request.url === fulcio.path
      ? await fulcio.fn(body)
      : { statusCode: 201, response: JSON.stringify(await log.log(logEntry(JSON.parse(body)))) };
    response.writeHead(answer.statusCode, { "content-type": "application/json" }).end(answer.response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

// An unsigned token: the stand-in of the authority takes its word.
function tokenOf(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ iss: ISSUER, sub: `repo:${claims.repository}`, ...claims })}.none`;
}

async function sign(server, { claims, payload }) {
  const url = `http://127.0.0.1:${server.address().port}`;
  const limits = { timeout: 10_000, retry: 0 };
  const identityProvider = { getToken: async () => tokenOf(claims) };
  const builder = new DSSEBundleBuilder({
    signer: new FulcioSigner({ fulcioBaseURL: url, identityProvider, ...limits }),
    witnesses: [new RekorWitness({ rekorBaseURL: url, ...limits })],
  });
  return bundleToJSON(await builder.create({ data: Buffer.from(payload, "base64"), type: PAYLOAD_TYPE }));
}

const folder = process.argv[2];
const request = JSON.parse((await text(process.stdin)) || "null");
const keys = keyPairIn(folder);
const issuedAt = request?.issuedAt ? new Date(request.issuedAt) : undefined;
const ca = await initializeCA(keys, await initializeCTLog(keys, issuedAt), issuedAt);
const rootFile = path.join(folder, "trusted_root.json");
if (!fs.existsSync(rootFile)) fs.writeFileSync(rootFile, JSON.stringify(trustedRoot(keys, ca), null, 2));
// The authority of a GitHub server of somebody's own has that server's addresses in its certificates.
const issue = ca.issueCertificate.bind(ca);
ca.issueCertificate = (options) => issue({
  ...options,
  extensions: options.extensions.map((extension) => ({
    ...extension,
    value: extension.value.replace(/^https:\/\/github\.com(?=\/)/, new URL(request.claims.job_workflow_uri).origin),
  })),
});
if (request) {
  const log = await initializeTLog(`https://${HOST}`, keys);
  log.calculateInclusionProof = (entry) => inclusionProof(keys.privateKey, entry);
  const server = await serve(ca, log);
  process.stdout.write(JSON.stringify(await sign(server, request)));
  server.close();
  server.closeAllConnections();
}
