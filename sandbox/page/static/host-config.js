// How Teams draws Adaptive Cards: its type scale, its spacing, its container styles in the light and the dark theme.

const LIGHT = {
  text: ["#242424", "#616161"],
  accent: ["#4f52b2", "#5b5fc7"],
  good: ["#13612c", "#237b4b"],
  warning: ["#7a4b00", "#835c00"],
  attention: ["#a4262c", "#c4314b"],
  grounds: {
    default: "#ffffff",
    emphasis: "#f3f2f1",
    accent: "#ebebf9",
    good: "#e4f3e5",
    warning: "#fdf3d8",
    attention: "#fde8ea",
  },
  line: "#e1dfdd",
};

const DARK = {
  text: ["#ffffff", "#adadad"],
  accent: ["#b3b5f5", "#a6a7dc"],
  good: ["#9ad9a4", "#92c353"],
  warning: ["#f7d774", "#e0bd57"],
  attention: ["#f9a5ab", "#e8888f"],
  grounds: {
    default: "#292929",
    emphasis: "#333333",
    accent: "#2f2f4a",
    good: "#1c3524",
    warning: "#3d3212",
    attention: "#45212a",
  },
  line: "#484848",
};

/** The HostConfig for `new AdaptiveCards.HostConfig(...)`. */
export function hostConfig(dark) {
  const theme = dark ? DARK : LIGHT;
  const pair = ([strong, subtle]) => ({ default: strong, subtle });
  const foregroundColors = {
    default: pair(theme.text),
    dark: pair(["#242424", "#616161"]),
    light: pair(["#ffffff", "#d6d6d6"]),
    accent: pair(theme.accent),
    good: pair(theme.good),
    warning: pair(theme.warning),
    attention: pair(theme.attention),
  };
  const containerStyles = {};
  for (const [name, backgroundColor] of Object.entries(theme.grounds)) {
    containerStyles[name] = { backgroundColor, borderColor: theme.line, foregroundColors };
  }
  return {
    supportsInteractivity: true,
    fontTypes: {
      default: {
        fontFamily: '"Segoe UI", system-ui, -apple-system, "Helvetica Neue", Arial, sans-serif',
        fontSizes: { small: 12, default: 14, medium: 14, large: 18, extraLarge: 24 },
        fontWeights: { lighter: 400, default: 400, bolder: 600 },
      },
      monospace: {
        fontFamily: "ui-monospace, Consolas, Menlo, monospace",
        fontSizes: { small: 12, default: 14, medium: 14, large: 18, extraLarge: 24 },
        fontWeights: { lighter: 400, default: 400, bolder: 600 },
      },
    },
    lineHeights: { small: 16, default: 20, medium: 20, large: 24, extraLarge: 32 },
    spacing: { small: 4, default: 8, medium: 12, large: 20, extraLarge: 28, padding: 12 },
    separator: { lineThickness: 1, lineColor: theme.line },
    imageSizes: { small: 32, medium: 52, large: 100 },
    containerStyles,
    factSet: {
      title: { weight: "Bolder", color: "Default", size: "Default", wrap: true, maxWidth: 160 },
      value: { weight: "Default", color: "Default", size: "Default", wrap: true },
      spacing: 16,
    },
    table: { cellSpacing: 4 },
    textStyles: { columnHeader: { weight: "Bolder", size: "Default", isSubtle: true } },
    actions: {
      maxActions: 6,
      buttonSpacing: 8,
      showCard: { actionMode: "Inline", inlineTopMargin: 8, style: "emphasis" },
      actionsOrientation: "Horizontal",
      actionAlignment: "Left",
      allowTitleToWrap: true,
    },
    adaptiveCard: { allowCustomStyle: false },
  };
}
