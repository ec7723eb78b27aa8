import globals from 'globals';

export default [
  { ignores: ['**/vendor/**', 'node_modules/**'] },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: { ...globals.browser } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-undef': 'error', 'no-unused-vars': 'error', 'no-unused-private-class-members': 'error', 'prefer-const': 'error',
      eqeqeq: 'error', 'no-var': 'error', 'no-implied-eval': 'error', 'no-eval': 'error', 'no-shadow': 'error',
      'max-lines': ['error', 400], 'max-len': ['error', { code: 160 }], 'consistent-return': 'error',
      'no-fallthrough': 'error', 'no-dupe-keys': 'error', 'no-dupe-class-members': 'error', 'no-unreachable': 'error',
      'no-self-compare': 'error', 'no-constant-condition': 'error', 'no-useless-escape': 'error', 'array-callback-return': 'error',
      'no-restricted-properties': ['error', { property: 'innerHTML' }, { property: 'outerHTML' }, { property: 'insertAdjacentHTML' }],
    },
  },
  { files: ['*.mjs', '*.js'], languageOptions: { globals: { ...globals.node } } },
];
