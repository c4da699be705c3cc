// The word of an invitation stands behind the # of its link: into the form with it, and out of the address.
const field = document.getElementById("invitation");
const KEPT = "invitation"; // in this tab, while its language changes

if (location.hash.length > 1 && field) {
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
}
if (field && sessionStorage.getItem(KEPT)) field.value ||= sessionStorage.getItem(KEPT);
sessionStorage.removeItem(KEPT);
document.querySelector(".bf-languages")?.addEventListener("submit", () => sessionStorage.setItem(KEPT, field.value));
