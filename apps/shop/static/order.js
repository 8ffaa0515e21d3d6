// Looks again until the order is settled. Without this script there is a link.
setTimeout(() => location.reload(), 1000);
