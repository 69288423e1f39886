using System.Text;
using System.Text.RegularExpressions;
using Tessera.Devices;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>Damage to a chat template in whole words of its language, so that much of it still parses.</summary>
internal static partial class TemplateMutator
{
    private static readonly string[] Pieces =
    [
        "{{ ", " }}", "{% ", " %}", "{%- ", " -%}", "{# ", " #}", "for m in messages", "endfor", "if x", "else", "endif", "set ns = namespace(a=[])", "messages",
        "loop.index0", "| tojson", "| join(', ')", "| list", "| length", "| trim", "| map('upper')", "| sort", "range(99999)", "range(10**9)", "'x' * 10**8",
        "10 ** 10 ** 6", "(((((", ")))))", "[0:-1]", "[::-1]", ".content", ".split('')", "not ", " and ", " or ", " is defined", " is mapping", " in ", " ~ ",
        " + ", " * 1000000", "none", "true", "-1", "1.5e300", "'%999999999d' % 1", "macro f(a)", "endmacro", "f(f)", "raise_exception('no')",
        "strftime_now('%Y')", "break", "continue", "{'a': [1, {'b': 2}]}", "set x = x ~ x", "'\\ud800'", "\u2028", "recursive", "loop(messages)", "caller()",
    ];

    public static byte[] Apply(byte[] original, byte[] other, ref CounterRandom random)
    {
        var words = Words().Matches(Encoding.UTF8.GetString(original)).Select(match => match.Value).ToList();
        string[] foreign = [.. Words().Matches(Encoding.UTF8.GetString(other)).Select(match => match.Value)];
        for (int edits = 1 + random.Next(4); edits > 0 && words.Count > 0; edits--)
        {
            int at = random.Next(words.Count);
            int length = Math.Min(1 + random.Next(12), words.Count - at);
            switch (random.Next(7))
            {
                case 0:
                    words.RemoveRange(at, length);
                    break;
                case 1:
                    words.InsertRange(random.Next(words.Count), words.GetRange(at, length));
                    break;
                case 2:
                    int with = random.Next(words.Count);
                    (words[at], words[with]) = (words[with], words[at]);
                    break;
                case 3 when foreign.Length > 0:
                    int from = random.Next(foreign.Length);
                    words.InsertRange(at, foreign.AsSpan(from, Math.Min(1 + random.Next(30), foreign.Length - from)));
                    break;
                case 4:
                    words[at] = Pieces[random.Next(Pieces.Length)];
                    break;
                case 5 when random.Next(4) == 0:
                    words.InsertRange(at, Enumerable.Repeat(Pieces[random.Next(Pieces.Length)], 2 + random.Next(400)));
                    break;
                default:
                    words.Insert(at, Pieces[random.Next(Pieces.Length)]);
                    break;
            }
        }

        return Encoding.UTF8.GetBytes(string.Concat(words));
    }

    [GeneratedRegex(@"\{[%{#][-+]?|[-+]?[%}#]\}|\w+|'[^']*'|\s+|.", RegexOptions.Singleline)]
    private static partial Regex Words();
}
