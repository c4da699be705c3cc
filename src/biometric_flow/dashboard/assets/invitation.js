// The word of an invitation stands behind the # of its link: into the form with it, and out of the address.
const field = document.getElementById("invitation");
if (location.hash.length > 1 && field) {
  field.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
}
