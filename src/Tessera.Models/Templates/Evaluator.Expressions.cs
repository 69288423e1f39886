using System.Text;

namespace Tessera.Models.Templates;

/// <content>Expressions.</content>
internal sealed partial class Evaluator
{
    /// <param name="expression">What to compute.</param>
    /// <param name="scope">Its names.</param>
    /// <param name="block">What a filter without target is applied to.</param>
    private Value Evaluate(Expression expression, Scope scope, Value? block = null)
    {
        State.Step();
        State.Enter();
        State.Line = expression.Line;
        Value value = expression switch
        {
            LiteralExpression literal => literal.Value,
            NameExpression name => scope.Find(name.Name) ?? new UndefinedValue($"'{name.Name}' is undefined"),
            AttributeExpression attribute => Members.Attribute(Evaluate(attribute.Target, scope), attribute.Name, this),
            ItemExpression item => Members.Item(Evaluate(item.Target, scope), Evaluate(item.Index, scope), this),
            SliceExpression slice => Sequences.Slice(
                Evaluate(slice.Target, scope), EvaluateOptional(slice.Start, scope), EvaluateOptional(slice.Stop, scope),
                EvaluateOptional(slice.Step, scope), State),
            CallExpression call => Call(Evaluate(call.Target, scope, block), EvaluateArguments(call.Arguments, scope)),
            FilterExpression filter => ApplyFilter(
                filter.Name, filter.Target is null ? block! : Evaluate(filter.Target, scope, block), EvaluateArguments(filter.Arguments, scope)),
            TestExpression test => Value.Of(
                ApplyTest(test.Name, Evaluate(test.Target, scope, block), EvaluateArguments(test.Arguments, scope))),
            NotExpression not => Value.Of(!Sequences.IsTrue(Evaluate(not.Operand, scope, block))),
            LogicalExpression logical => EvaluateLogical(logical, scope),
            ComparisonExpression comparison => EvaluateComparison(comparison, scope),
            ConditionalExpression conditional => EvaluateConditional(conditional, scope),
            ArithmeticExpression sum => Arithmetic.Apply(sum.Sign, Evaluate(sum.Left, scope), Evaluate(sum.Right, scope), State),
            SignExpression sign => Arithmetic.Sign(sign.Sign, Evaluate(sign.Operand, scope), State),
            ConcatenationExpression concatenation => Concatenate(concatenation, scope),
            ListExpression list => EvaluateList(list, scope),
            DictionaryExpression dictionary => EvaluateDictionary(dictionary, scope),
            _ => throw new NotSupportedException(expression.GetType().Name),
        };
        State.Leave();
        return value;
    }

    /// <summary>Computes a macro's default.</summary>
    public Value EvaluateIn(Expression expression, Scope scope) => Evaluate(expression, scope);

    public Value ApplyFilter(string name, Value value, Arguments arguments) =>
        Filters.Table.TryGetValue(name, out Builtin? filter)
            ? filter.Call(value, arguments, this)
            : throw State.Error($"there is no filter named '{name}'");

    public bool ApplyTest(string name, Value value, Arguments arguments) =>
        Tests.Table.TryGetValue(name, out Builtin? test)
            ? Sequences.IsTrue(test.Call(value, arguments, this))
            : throw State.Error($"there is no test named '{name}'");

    /// <summary>Calls a function, macro, method or recursive loop.</summary>
    public Value Call(Value target, Arguments arguments)
    {
        switch (target)
        {
            case FunctionValue function:
                State.Enter();
                Value result = function.Body(arguments);
                State.Leave();
                return result;
            case LoopValue { Again: { } again } when arguments is { Positional.Count: 1, Named.Count: 0 }:
                return again(arguments.Positional[0]);
            case UndefinedValue undefined:
                throw State.Error(undefined.Problem);
            default:
                throw State.Error($"'{target.TypeName}' object is not callable");
        }
    }

    private Value? EvaluateOptional(Expression? expression, Scope scope) => expression is null ? null : Evaluate(expression, scope);

    private Arguments EvaluateArguments(CallArguments arguments, Scope scope)
    {
        if (ReferenceEquals(arguments, CallArguments.None))
        {
            return Arguments.None;
        }

        List<Value> positional = [.. arguments.Positional.Select(item => Evaluate(item, scope))];
        List<KeyValuePair<string, Value>> named = [.. arguments.Named.Select(pair => KeyValuePair.Create(pair.Key, Evaluate(pair.Value, scope)))];
        if (arguments.Spread is not null)
        {
            positional.AddRange(Sequences.ToList(Evaluate(arguments.Spread, scope), State));
        }

        if (arguments.NamedSpread is not null)
        {
            if (Evaluate(arguments.NamedSpread, scope) is not DictionaryValue dictionary)
            {
                throw State.Error("the argument after ** is not a mapping");
            }

            State.BuildList(dictionary.Items.Count);
            foreach ((Value key, Value value) in dictionary.Items)
            {
                named.Add(KeyValuePair.Create((key as TextValue)?.Text ?? throw State.Error("keywords must be strings"), value));
            }
        }

        return new Arguments(positional, named);
    }

    private Value EvaluateLogical(LogicalExpression logical, Scope scope)
    {
        Value left = Evaluate(logical.Left, scope);
        return Sequences.IsTrue(left) == logical.IsAnd ? Evaluate(logical.Right, scope) : left;
    }

    private Value EvaluateComparison(ComparisonExpression comparison, Scope scope)
    {
        Value left = Evaluate(comparison.First, scope);
        foreach ((string sign, Expression operand) in comparison.Rest)
        {
            Value right = Evaluate(operand, scope);
            if (!Comparison.Compare(sign, left, right, State))
            {
                return BooleanValue.False;
            }

            left = right;
        }

        return BooleanValue.True;
    }

    private Value EvaluateConditional(ConditionalExpression conditional, Scope scope)
    {
        if (Sequences.IsTrue(Evaluate(conditional.Condition, scope)))
        {
            return Evaluate(conditional.Then, scope);
        }

        return conditional.Otherwise is { } otherwise
            ? Evaluate(otherwise, scope)
            : new UndefinedValue("the inline if-expression evaluated to false and no else section was defined");
    }

    private TextValue Concatenate(ConcatenationExpression concatenation, Scope scope)
    {
        var text = new StringBuilder();
        foreach (Expression part in concatenation.Parts)
        {
            string next = ValueText.Of(Evaluate(part, scope), State);
            State.BuildText((long)text.Length + next.Length);
            text.Append(next);
        }

        return new TextValue(text.ToString());
    }

    private ListValue EvaluateList(ListExpression list, Scope scope)
    {
        State.BuildList(list.Items.Count);
        return new ListValue([.. list.Items.Select(item => Evaluate(item, scope))], list.IsTuple);
    }

    private DictionaryValue EvaluateDictionary(DictionaryExpression dictionary, Scope scope)
    {
        State.BuildList(dictionary.Items.Count * 4L);
        var items = new OrderedDictionary<Value, Value>(new ValueComparer(State));
        foreach ((Expression key, Expression value) in dictionary.Items)
        {
            items[Evaluate(key, scope)] = Evaluate(value, scope);
        }

        return new DictionaryValue(items);
    }
}
