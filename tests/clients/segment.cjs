// The calls of tests/clients by @segment/analytics-node: host, write key.
const { Analytics } = require("@segment/analytics-node");

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, maxRetries: 5, flushAt: 3, flushInterval: 50 });
analytics.on("error", (error) => {
  console.error(JSON.stringify(error));
  process.exitCode = 1;
});
const [userId, anonymousId] = ["u-1", "a-1"];
analytics.track({ anonymousId, event: "Product Viewed", properties: { product_id: "p-1" } });
analytics.identify({ userId, anonymousId, traits: { email: "ada@shop.example", name: "Ada" } });
analytics.page({ userId, name: "Home", properties: { url: "https://shop.example/" } });
analytics.track({ userId, event: "Order Completed", properties: { order_id: "o-1", total: 19.99 } });
analytics.group({ userId, groupId: "g-1", traits: { name: "Shop" } });
analytics.alias({ userId, previousId: "old-1" });
analytics.closeAndFlush({ timeout: 30000 });
