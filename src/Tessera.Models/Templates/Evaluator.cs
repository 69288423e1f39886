using System.Text;

namespace Tessera.Models.Templates;

/// <summary>How a body ended.</summary>
internal enum Flow
{
    /// <summary>At its end.</summary>
    Normal,

    /// <summary>By <c>break</c>.</summary>
    Break,

    /// <summary>By <c>continue</c>.</summary>
    Continue,
}

/// <summary>
/// Runs the statements of a template. A loop's body, a macro and every block with an end tag but <c>if</c> has names of its own;
/// <c>set</c> inside of an <c>if</c> reaches its surroundings.
/// </summary>
internal sealed partial class Evaluator
{
    private readonly List<(int Start, int Length)> _generationSpans = [];
    private readonly StringBuilder _rendered = new();
    private StringBuilder _target;

    public Evaluator(RenderState state)
    {
        State = state;
        _target = _rendered;
    }

    public RenderState State { get; }

    /// <summary>Start and length of what generation blocks have rendered straight into the output.</summary>
    public IReadOnlyList<(int Start, int Length)> GenerationSpans => _generationSpans;

    /// <summary>Renders a template's body.</summary>
    /// <param name="body">Its statements.</param>
    /// <param name="variables">What the caller passes.</param>
    public string Render(IReadOnlyList<Statement> body, IEnumerable<KeyValuePair<string, Value>> variables)
    {
        var globals = new Scope(null);
        foreach (FunctionValue function in Globals.Create(this))
        {
            globals.Set(function.Name, function);
        }

        var passed = new Scope(globals);
        foreach ((string name, Value value) in variables)
        {
            passed.Set(name, value);
        }

        Run(body, new Scope(passed));
        return _rendered.ToString();
    }

    private Flow Run(IReadOnlyList<Statement> body, Scope scope)
    {
        State.Enter();
        Flow flow = Flow.Normal;
        for (int i = 0; i < body.Count && flow == Flow.Normal; i++)
        {
            State.Step();
            State.Line = body[i].Line;
            flow = Run(body[i], scope);
        }

        State.Leave();
        return flow;
    }

    private Flow Run(Statement statement, Scope scope)
    {
        switch (statement)
        {
            case TextStatement text:
                Write(text.Text);
                break;
            case PrintStatement print:
                Write(ValueText.Of(Evaluate(print.Value, scope), State));
                break;
            case IfStatement choice:
                return RunIf(choice, scope);
            case ForStatement loop:
                RunFor(loop, Evaluate(loop.Items, scope), scope, depth: 0);
                break;
            case SetStatement set:
                Assign(set.Target, Evaluate(set.Value, scope), scope);
                break;
            case SetBlockStatement set:
                Value captured = Value.Of(Capture(set.Body, new Scope(scope)));
                Assign(set.Target, set.Filter is null ? captured : Evaluate(set.Filter, scope, captured), scope);
                break;
            case MacroStatement macro:
                scope.Set(macro.Macro.Name, new MacroCall(macro.Macro, scope, this).ToFunction());
                break;
            case CallStatement call:
                RunCall(call, scope);
                break;
            case FilterStatement filter:
                Value filtered = Evaluate(filter.Filter, scope, Value.Of(Capture(filter.Body, new Scope(scope))));
                Write(ValueText.Of(filtered, State));
                break;
            case WithStatement with:
                return RunWith(with, scope);
            case GenerationStatement generation:
                int start = _target.Length;
                Run(generation.Body, new Scope(scope));
                if (ReferenceEquals(_target, _rendered))
                {
                    _generationSpans.Add((start, _target.Length - start));
                }

                break;
            case BreakStatement:
                return Flow.Break;
            case ContinueStatement:
                return Flow.Continue;
        }

        return Flow.Normal;
    }

    private void Write(string text)
    {
        State.Scan(text.Length);
        if ((long)_target.Length + text.Length > State.Limits.MaxOutputLength)
        {
            throw State.Error($"the template renders more than {State.Limits.MaxOutputLength} characters");
        }

        _target.Append(text);
    }

    /// <summary>What a body renders, as a string of its own.</summary>
    public string Capture(IReadOnlyList<Statement> body, Scope scope)
    {
        StringBuilder outer = _target;
        _target = new StringBuilder();
        Run(body, scope);
        State.BuildText(_target.Length);
        string text = _target.ToString();
        _target = outer;
        return text;
    }

    private Flow RunIf(IfStatement choice, Scope scope)
    {
        foreach (Branch branch in choice.Branches)
        {
            if (Sequences.IsTrue(Evaluate(branch.Condition, scope)))
            {
                return Run(branch.Body, scope);
            }
        }

        return Run(choice.Otherwise, scope);
    }

    private void RunFor(ForStatement statement, Value items, Scope scope, int depth)
    {
        State.Enter();
        IEnumerable<Value> source = Sequences.Iterate(items, State);
        if (statement.Condition is { } condition)
        {
            source = source.Where(item =>
            {
                var names = new Scope(scope);
                Assign(statement.Target, item, names);
                return Sequences.IsTrue(Evaluate(condition, names));
            });
        }

        using IEnumerator<Value> elements = source.GetEnumerator();
        var loop = new LoopValue(elements, depth, State)
        {
            Again = statement.IsRecursive ? inner => Value.Of(CaptureFor(statement, inner, scope, depth + 1)) : null,
        };
        bool any = false;
        while (loop.MoveNext())
        {
            var names = new Scope(scope);
            names.Set("loop", loop);
            Assign(statement.Target, loop.Current!, names);
            Flow flow = Run(statement.Body, names);

            // As in Jinja2, 'else' is for loops of which no iteration came to its end.
            any |= flow == Flow.Normal;
            if (flow == Flow.Break)
            {
                break;
            }
        }

        if (!any)
        {
            Run(statement.Otherwise, new Scope(scope));
        }

        State.Leave();
    }

    private string CaptureFor(ForStatement statement, Value items, Scope scope, int depth)
    {
        StringBuilder outer = _target;
        _target = new StringBuilder();
        RunFor(statement, items, scope, depth);
        State.BuildText(_target.Length);
        string text = _target.ToString();
        _target = outer;
        return text;
    }

    private void RunCall(CallStatement call, Scope scope)
    {
        Value target = Evaluate(call.Call.Target, scope);
        Arguments arguments = EvaluateArguments(call.Call.Arguments, scope);
        FunctionValue caller = new MacroCall(call.Caller, scope, this).ToFunction();
        Value result = Call(target, arguments with { Named = [.. arguments.Named, KeyValuePair.Create("caller", (Value)caller)] });
        Write(ValueText.Of(result, State));
    }

    private Flow RunWith(WithStatement with, Scope scope)
    {
        var names = new Scope(scope);
        foreach ((Target target, Expression value) in with.Values)
        {
            Assign(target, Evaluate(value, scope), names);
        }

        return Run(with.Body, names);
    }

    private void Assign(Target target, Value value, Scope scope)
    {
        switch (target)
        {
            case NameTarget name:
                scope.Set(name.Name, value);
                break;
            case AttributeTarget attribute:
                if (scope.Find(attribute.Name) is not NamespaceValue ns)
                {
                    throw State.Error($"cannot assign attribute on '{attribute.Name}', which is no namespace object");
                }

                ns.Attributes[attribute.Attribute] = value;
                break;
            case TupleTarget tuple:
                var items = Sequences.Iterate(value, State).Take(tuple.Items.Count + 1).ToList();
                if (items.Count != tuple.Items.Count)
                {
                    string found = items.Count > tuple.Items.Count ? "too many" : $"only {items.Count}";
                    throw State.Error($"{found} values to unpack, expected {tuple.Items.Count}");
                }

                for (int i = 0; i < items.Count; i++)
                {
                    Assign(tuple.Items[i], items[i], scope);
                }

                break;
        }
    }
}
