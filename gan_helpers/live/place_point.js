const box = this.getBoundingClientRect();
const field = this.closest('.gan-playground').querySelector('.gan-mouse input');
field.value = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height,
  Date.now()].join(',');
for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, {bubbles: true}));
