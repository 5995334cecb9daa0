// One round with the AWS SDK for JavaScript v3: create, describe, list, put events, recommend, delete, errors.
// The server comes from the AWS_... variables, the campaign and the group from the command line.
import assert from "node:assert/strict";
import * as control from "@aws-sdk/client-personalize";
import * as events from "@aws-sdk/client-personalize-events";
import * as runtime from "@aws-sdk/client-personalize-runtime";

const [datasetGroupArn, campaignArn] = process.argv.slice(2);
const personalize = new control.PersonalizeClient({});
const recorder = new events.PersonalizeEventsClient({});
const answers = new runtime.PersonalizeRuntimeClient({});

const { schemaArn } = await personalize.send(new control.CreateSchemaCommand({
  name: "from-javascript",
  schema: JSON.stringify({
    type: "record", name: "Users", version: "1.0",
    fields: [{ name: "USER_ID", type: "string" }, { name: "AGE", type: "int" }],
  }),
}));
const described = await personalize.send(new control.DescribeSchemaCommand({ schemaArn }));
assert.equal(described.schema.name, "from-javascript");
assert.ok(described.schema.creationDateTime instanceof Date);
const { schemas } = await personalize.send(new control.ListSchemasCommand({ maxResults: 100 }));
assert.ok(schemas.some((each) => each.schemaArn === schemaArn));
await personalize.send(new control.DeleteSchemaCommand({ schemaArn }));
await assert.rejects(
  personalize.send(new control.DescribeSchemaCommand({ schemaArn })),
  (error) => error instanceof control.ResourceNotFoundException && error.message.includes(schemaArn),
);

const { trackingId } = await personalize.send(
  new control.CreateEventTrackerCommand({ name: "javascript", datasetGroupArn }),
);
const ask = async () => {
  const answer = await answers.send(new runtime.GetRecommendationsCommand({ campaignArn, userId: "from javascript" }));
  return answer.itemList.map((each) => each.itemId);
};
const before = await ask();
assert.equal(before.length, 25);
await recorder.send(new events.PutEventsCommand({
  trackingId, userId: "from javascript", sessionId: "s",
  eventList: [{ eventType: "watch", sentAt: new Date(), itemId: "7", properties: JSON.stringify({ eventValue: "4.5" }) }],
}));
assert.notDeepEqual(await ask(), before);
await assert.rejects(
  answers.send(new runtime.GetRecommendationsCommand({ campaignArn: campaignArn + "-none", userId: "1" })),
  (error) => error instanceof runtime.ResourceNotFoundException && error.$metadata.httpStatusCode === 404,
);
console.log("the round is complete");
