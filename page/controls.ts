/**
 * Switches between a few things, the theme, and the help.
 */
import { gunzip } from './document.js';

/** A row of radio buttons that look like one switch. */
export function fillSwitch<T extends string>(element: HTMLElement, options: readonly [value: T, label: string][], chosen: T, choose: (value: T) => void): void {
  element.hidden = options.length < 2;
  for (const [value, text] of options) {
    const label = document.createElement('label');
    const input = document.createElement('input');
    input.type = 'radio';
    input.name = element.id;
    input.value = value;
    input.checked = value === chosen;
    input.addEventListener('change', () => choose(value));
    const caption = document.createElement('span');
    caption.textContent = text;
    label.append(input, caption);
    element.append(label);
  }
}

const THEMES = ['auto', 'light', 'dark'] as const;

/** A button that goes through the themes; the choice is kept where the browser lets a page keep something. */
export function themeButton(button: HTMLElement): void {
  const show = (theme: string): void => {
    document.documentElement.dataset['theme'] = theme;
    button.textContent = { auto: '◐', light: '☀', dark: '☾' }[theme] ?? '';
    button.setAttribute('aria-label', `Theme: ${theme}`);
    button.title = `Theme: ${theme}`;
  };
  let index = Math.max(0, THEMES.findIndex((theme) => theme === stored()));
  show(THEMES[index]!);
  button.addEventListener('click', () => {
    index = (index + 1) % THEMES.length;
    show(THEMES[index]!);
    try {
      localStorage.setItem('pronghorn-theme', THEMES[index]!);
    } catch {
      // Then it lasts as long as the page.
    }
  });
}

function stored(): string | null {
  try {
    return localStorage.getItem('pronghorn-theme');
  } catch {
    return null;
  }
}

/** The help, and in it the licences, which are unpacked when they are asked for. */
export function helpDialog(dialog: HTMLDialogElement, button: HTMLElement): { open(): void } {
  const open = (): void => {
    if (!dialog.open) dialog.showModal();
  };
  button.addEventListener('click', open);
  // A click on what is around the dialog is one on the dialog itself.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  const licences = dialog.querySelector<HTMLDetailsElement>('#licences')!;
  licences.addEventListener('toggle', async () => {
    const text = licences.querySelector('pre')!;
    if (text.textContent === '') text.textContent = new TextDecoder().decode(await gunzip(document.querySelector('#licence-data')!.textContent ?? ''));
  });
  return { open };
}
