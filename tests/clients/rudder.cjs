// The calls of tests/clients by @rudderstack/rudder-sdk-node: host, write key, gzip or plain.
const Analytics = require("@rudderstack/rudder-sdk-node");

const [dataPlaneUrl, writeKey, packed] = process.argv.slice(2);
const client = new Analytics(writeKey, {
  dataPlaneUrl,
  flushAt: 20,
  gzip: packed === "gzip",
  retryCount: 5,
  logLevel: "error",
  axiosRetryConfig: { retryDelay: () => 20 },
  errorHandler: (error) => {
    console.error(String(error));
    process.exitCode = 1;
  },
});
const [userId, anonymousId] = ["u-1", "a-1"];
client.track({ anonymousId, event: "Product Viewed", properties: { product_id: "p-1" } });
client.identify({ userId, anonymousId, traits: { email: "ada@shop.example", name: "Ada" } });
client.page({ userId, name: "Home", properties: { url: "https://shop.example/" } });
client.track({ userId, event: "Order Completed", properties: { order_id: "o-1", total: 19.99 } });
client.group({ userId, groupId: "g-1", traits: { name: "Shop" } });
client.alias({ userId, previousId: "old-1" });
client.flush().then(() => clearTimeout(client.timer));
