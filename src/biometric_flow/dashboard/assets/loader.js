// Streamlit runs this from a blob: URL, where relative imports do not resolve; the real script is one of our assets.
const regions = import(`${location.origin}ASSETS_URL/regions.js`);

export default function ({ data, parentElement, setTriggerValue }) {
  const refresh = () => setTriggerValue("refresh", true); // Streamlit runs this region's fragment again
  const act = (order) => setTriggerValue("act", order); // a person did something; Python carries it out
  let stopped = false;
  let stop = null;
  regions.then((module) => {
    if (!stopped) stop = module.draw(parentElement, data.kind, data.view, refresh, act);
  });
  return () => {
    stopped = true;
    if (stop) stop();
  };
}
